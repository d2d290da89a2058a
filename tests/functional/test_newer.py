"""What holds for every newer loss: the loops, finite, precise, any device."""

import pytest
import torch
import torch.nn.functional as F
from newer import EACH, LOSSES, call, hard, logits, mixed
from torch.autograd import gradcheck

from mmnkd.functional import entropy_weight

SHAPES = pytest.mark.parametrize('shape', [(5, 7), (1, 3), (3, 2), (4, 50)])
TARGETS = pytest.mark.parametrize('make_target', [hard, mixed])


@EACH
@SHAPES
@TARGETS
def test_losses_are_the_formulas_in_loops(name, shape, make_target):
    _, oracle, takes_target, settings = LOSSES[name]
    student, teacher = logits(shape), logits(shape, seed=1)
    target = make_target(shape)
    inputs = [student, teacher] + [target] * takes_target
    actual = call(name, student, teacher, target, reduction='none')
    expected = oracle(*[x.tolist() for x in inputs], **settings)
    assert actual.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-14)


@EACH
@SHAPES
@TARGETS
def test_losses_pass_gradcheck(name, shape, make_target):
    student = logits(shape, scale=1.0).requires_grad_()
    teacher, target = logits(shape, seed=1), make_target(shape)
    assert gradcheck(lambda s: call(name, s, teacher, target), student)


EXTREMES = pytest.mark.parametrize(
    'dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64]
)


def extreme(shape, dtype):
    values = torch.tensor([1e4, -1e4, 0.0, 9999.0])
    count = shape[0] * shape[1]
    return values.repeat(count)[:count].reshape(shape).to(dtype)


@EACH
@TARGETS
@pytest.mark.parametrize('shape', [(1, 2), (6, 2), (1, 9), (6, 9)])
@EXTREMES
def test_losses_are_finite_for_extreme_logits(name, make_target, shape, dtype):
    student = extreme(shape, dtype).requires_grad_()
    for teacher in (-student, student, student.flip(1)):
        result = call(name, student, teacher, make_target(shape))
        (grad,) = torch.autograd.grad(result, student)
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


@EXTREMES
def test_weights_are_finite_for_extreme_logits(dtype):
    student = extreme((6, 9), dtype)
    weight = entropy_weight(student, -student, temperature=2.0)
    assert torch.isfinite(weight).all()


def masked(values, columns=(1, 4)):
    """Put classes at -inf, and say which are left."""
    keep = [i for i in range(values.shape[1]) if i not in columns]
    return values.index_fill(1, torch.tensor(columns), -torch.inf), keep


@EACH
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_classes_at_minus_infinity_have_no_share(name, dtype):
    if name == 'wkd of a matrix':
        pytest.skip('its cost is drawn by the number of classes: test_wkd.py')
    full, keep = masked(logits((5, 9)).to(dtype))
    teacher, _ = masked(logits((5, 9), seed=1).to(dtype))
    target = torch.tensor([0, 2, 3, 0, 2])  # of the kept: 0, 2 and 3
    among = torch.tensor([0, 0, 1, 2])[target]
    results = []
    for student, other, label in (
        (full, teacher, target),
        (full[:, keep], teacher[:, keep], among),
    ):
        student = student.clone().requires_grad_()
        loss = call(name, student, other, label)
        loss.backward()
        results.append((loss, student.grad))
    (loss, grad), (expected, expected_grad) = results
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(grad[:, keep], expected_grad)
    assert not grad[:, [1, 4]].any()


@EACH
@pytest.mark.parametrize('temperature', [0.3, 0.7, 3.0])
def test_masks_are_finite_at_any_temperature(name, temperature):
    loss, _, takes_target, settings = LOSSES[name]
    if 'temperature' in settings:
        settings = {**settings, 'temperature': temperature}
    student, _ = masked(logits((5, 9)).float())
    student.requires_grad_()
    for teacher in (masked(logits((5, 9), seed=1).float())[0], student):
        labels = [torch.tensor([0, 2, 3, 0, 2])] * takes_target
        result = loss(student, teacher, *labels, **settings)
        (grad,) = torch.autograd.grad(result, student)
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


def test_a_mask_is_not_among_the_classes_of_the_weight():
    student, keep = masked(logits((5, 9)))
    teacher, _ = masked(logits((5, 9), seed=1))
    torch.testing.assert_close(
        entropy_weight(student, teacher, temperature=2.0),
        entropy_weight(student[:, keep], teacher[:, keep], temperature=2.0),
    )


@EACH
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_logits_are_computed_in_float32(name, dtype):
    student = logits((16, 100)).to(dtype)
    teacher, target = logits((16, 100), seed=1).to(dtype), hard((16, 100))
    result = call(name, student, teacher, target)
    assert result.dtype == torch.float32
    exact = call(name, student.double(), teacher.double(), target)
    assert result.item() == pytest.approx(exact.item(), rel=1e-5)


@EACH
def test_gradients_in_float32_are_precise(name):
    gradients = []
    for dtype in (torch.float32, torch.float64):
        student = logits((16, 100)).to(dtype).requires_grad_()
        teacher = logits((16, 100), seed=1).to(dtype)
        call(name, student, teacher, hard((16, 100))).backward()
        gradients.append(student.grad.double())
    error = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert error < 2e-5


@EACH
def test_autocast_does_not_lower_the_precision(name):
    student, teacher = logits((16, 100)).float(), logits((16, 100), 1).float()
    target = hard((16, 100))
    expected = call(name, student, teacher, target)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = call(name, student, teacher, target)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


@EACH
@TARGETS
def test_constants_added_to_the_logits_change_nothing(name, make_target):
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    target = make_target((5, 7))
    expected = call(name, student, teacher, target)
    moved = call(name, student + 50, teacher - 20, target)
    torch.testing.assert_close(moved, expected)


@EACH
@TARGETS
def test_losses_do_not_depend_on_the_order_of_classes(name, make_target):
    if name == 'wkd of a matrix':
        pytest.skip('its cost has an order too: test_wkd.py')
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    target = make_target((5, 7))
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    hard_label = target.ndim == 1
    permuted = order.argsort()[target] if hard_label else target[:, order]
    torch.testing.assert_close(
        call(name, student[:, order], teacher[:, order], permuted),
        call(name, student, teacher, target),
    )


@EACH
def test_a_batch_of_one_is_a_row_of_a_larger_one(name):
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    target = hard((5, 7))
    rows = call(name, student, teacher, target, reduction='none')
    alone = call(name, student[:1], teacher[:1], target[:1])
    torch.testing.assert_close(alone, rows[0])


@EACH
def test_no_gradient_reaches_the_teacher(name):
    student, teacher = logits((5, 7)), logits((5, 7), seed=1).requires_grad_()
    loss = call(name, student.requires_grad_(), teacher, hard((5, 7)))
    loss.backward()
    assert student.grad.any()
    assert teacher.grad is None


@EACH
def test_scores_of_one_class_equal_its_index_integers_too(name):
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    target = hard((5, 7))
    expected = call(name, student, teacher, target)
    one_hot = F.one_hot(target, 7)
    for scores in (one_hot, one_hot.to(torch.uint8), one_hot.double()):
        assert torch.equal(call(name, student, teacher, scores), expected)


@EACH
def test_the_larger_share_of_a_mixed_label_is_the_target(name):
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    assert torch.equal(
        call(name, student, teacher, mixed((5, 7))),
        call(name, student, teacher, hard((5, 7))),
    )


@EACH
@pytest.mark.parametrize(
    ('reduction', 'reduce'),
    [('mean', torch.mean), ('sum', torch.sum), ('none', torch.clone)],
)
def test_reduction_is_over_the_batch(name, reduction, reduce):
    inputs = logits((5, 7)), logits((5, 7), seed=1), hard((5, 7))
    rows = call(name, *inputs, reduction='none')
    assert rows.shape == (5,)
    result = call(name, *inputs, reduction=reduction)
    torch.testing.assert_close(result, reduce(rows))


@EACH
@TARGETS
def test_torch_compile_takes_the_whole_graph(name, make_target):
    teacher, target = logits((5, 7), seed=1), make_target((5, 7))
    torch._dynamo.reset()  # the loss before this one
    compiled = torch.compile(call, fullgraph=True, backend='aot_eager')
    gradients = []
    for function in (call, compiled):
        student = logits((5, 7)).requires_grad_()
        function(name, student, teacher, target).backward()
        gradients.append(student.grad)
    torch.testing.assert_close(*gradients)


def test_torch_compile_takes_the_weight():
    inputs = logits((5, 7)), logits((5, 7), seed=1)
    compiled = torch.compile(
        entropy_weight, fullgraph=True, backend='aot_eager'
    )
    torch.testing.assert_close(
        compiled(*inputs, temperature=2.0),
        entropy_weight(*inputs, temperature=2.0),
    )


@EACH
@TARGETS
def test_losses_run_where_values_can_not_be_read(name, make_target):
    student = logits((5, 7)).to('meta').requires_grad_()
    target = make_target((5, 7)).to('meta')
    call(name, student, student.detach(), target).backward()
    assert student.grad.shape == (5, 7)


@EACH
def test_bad_input_is_refused(name):
    student, target = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
    with pytest.raises(ValueError, match=r'got \(4, 3\) and \(4, 5\)'):
        call(name, student, torch.zeros(4, 5), target)
    with pytest.raises(TypeError, match='floating dtype, but got torch.int64'):
        call(name, student.long(), student, target)
    with pytest.raises(ValueError, match="but got 'max'"):
        call(name, student, student, target, reduction='max')
    loss, _, takes_target, settings = LOSSES[name]
    if takes_target:
        with pytest.raises(ValueError, match=r'\[0, 2\].*from 1 to 3'):
            call(name, student, student, target + 1)
    positive = {'temperature', 'alpha_temperature', 'regularization'}
    numbers = [key for key, value in settings.items() if value != 10]
    labels = [target] * takes_target
    for key in numbers:
        value = 0 if key in positive else -1
        with pytest.raises(ValueError, match=f'`{key}` to be.*got {value}'):
            loss(student, student, *labels, **{**settings, key: value})
        with pytest.raises(TypeError, match=f"`{key}` to be a number.*'1'"):
            loss(student, student, *labels, **{**settings, key: '1'})
