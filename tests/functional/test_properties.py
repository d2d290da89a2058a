"""What holds for every loss on logits: finite, precise, on any device."""

import pytest
import torch
import torch.nn.functional as F
from draws import (
    CLOSED,
    EVERY,
    WITH_TEACHER,
    each,
    each_with_targets,
    gradient_of,
    hard,
    logits,
    mixed,
)

from mmnkd.functional import entropy_weight


def but(*names):
    return {name: loss for name, loss in EVERY.items() if name not in names}


# The context that asks for the closed form is not for torch.compile.
PLAIN = but(*CLOSED)
BY_ROWS = but('dist', 'tf_nkd', 'uskd')
ONE_TARGET = ('nkd', 'nkd at 1', 'dkd', 'rld', 'wkd', 'wkd of a matrix')

EXTREMES = [
    ((1, 2), torch.float32),
    ((6, 2), torch.float32),
    ((1, 9), torch.float32),
    ((6, 9), torch.float32),
    ((6, 9), torch.float16),
    ((6, 9), torch.bfloat16),
    ((6, 9), torch.float64),
]


def extreme(shape, dtype):
    values = torch.tensor([1e4, -1e4, 0.0, 9999.0])
    count = shape[0] * shape[1]
    return values.repeat(count)[:count].reshape(shape).to(dtype)


@each_with_targets(EVERY)
@pytest.mark.parametrize(('shape', 'dtype'), EXTREMES)
def test_losses_are_finite_for_extreme_logits(loss, make_target, shape, dtype):
    student = extreme(shape, dtype).requires_grad_()
    for teacher in (-student, student, student.flip(1)):
        result = loss(student, teacher.detach(), make_target(shape))
        (grad,) = torch.autograd.grad(result, student)
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


def masked(given, classes=(1, 4, 6), value=-torch.inf):
    return given.index_fill(1, torch.tensor(classes), value)


@each_with_targets(but('dist', 'standardized', 'wkd of a matrix'))
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_classes_that_both_networks_mask_have_no_share(
    loss, make_target, dtype
):
    student, teacher = logits((6, 7)).to(dtype), logits((6, 7), 1).to(dtype)
    keep = torch.tensor([0, 2, 3, 5])
    few = make_target((6, 4))
    target = keep[few] if few.ndim == 1 else few @ F.one_hot(keep, 7).double()
    inputs = masked(student), masked(teacher), target
    expected = student[:, keep], teacher[:, keep], few
    torch.testing.assert_close(
        loss(*inputs, reduction='none'), loss(*expected, reduction='none')
    )
    gradient = gradient_of(loss, *inputs)
    torch.testing.assert_close(gradient[:, keep], gradient_of(loss, *expected))
    assert not gradient[:, [1, 4, 6]].any()


@each(but('dist', 'standardized'))
@pytest.mark.parametrize('temperature', [0.3, 0.7, 3.0])
def test_masks_are_finite_at_any_temperature(loss, temperature):
    if 'temperature' in loss.settings:
        settings = {**loss.settings, 'temperature': temperature}
        loss = loss._replace(settings=settings)
    student = masked(logits((5, 9)).float()).requires_grad_()
    for teacher in (masked(logits((5, 9), seed=1).float()), student):
        labels = torch.tensor([0, 2, 3, 0, 2])
        result = loss(student, teacher.detach(), labels)
        (grad,) = torch.autograd.grad(result, student)
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


@each(WITH_TEACHER)
def test_a_class_that_the_teacher_masks_has_a_probability_of_0(loss):
    student, target = logits((6, 7)), hard((6, 5))
    for dtype in (torch.float32, torch.float64):
        given = student.to(dtype)
        teacher = logits((6, 7), 1).to(given.dtype)
        inputs = given, masked(teacher, [5]), target
        expected = given, masked(teacher, [5], -1e5), target
        torch.testing.assert_close(loss(*inputs), loss(*expected))
        torch.testing.assert_close(
            gradient_of(loss, *inputs), gradient_of(loss, *expected)
        )


@each(EVERY)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_logits_are_computed_in_float32(loss, dtype):
    student = logits((16, 100)).to(dtype).requires_grad_()
    for teacher in (-student.detach(), logits((16, 100), 1).to(dtype)):
        rest = teacher, hard((16, 100))
        result = loss(student, *rest)
        assert result.dtype == torch.float32
        exact = loss(student.double(), teacher.double(), rest[1])
        assert result.item() == pytest.approx(exact.item(), rel=1e-5)
        assert gradient_of(loss, student, *rest).dtype == dtype


@each(EVERY)
def test_gradients_in_float32_are_precise(loss):
    student, teacher = logits((16, 100)), logits((16, 100), seed=1)
    target = hard((16, 100))
    exact = gradient_of(loss, student, teacher, target)
    found = gradient_of(loss, student.float(), teacher.float(), target)
    assert (found.double() - exact).norm() / exact.norm() < 2e-5


@each(EVERY)
def test_autocast_does_not_lower_the_precision(loss):
    student = logits((16, 100)).float().requires_grad_()
    rest = logits((16, 100), seed=1).float(), hard((16, 100))
    expected = loss(student, *rest)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = loss(student, *rest)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


@each_with_targets(EVERY)
def test_losses_ignore_a_constant_added_to_all_logits(loss, make_target):
    student, target = logits((5, 7)).requires_grad_(), make_target((5, 7))
    teacher = logits((5, 7), seed=1)
    torch.testing.assert_close(
        loss(student + 50, teacher - 30, target),
        loss(student, teacher, target),
    )


@each_with_targets(but('wkd of a matrix'))
def test_losses_do_not_depend_on_the_order_of_classes(loss, make_target):
    student, target = logits((5, 7)).requires_grad_(), make_target((5, 7))
    teacher, order = logits((5, 7), seed=1), torch.randperm(7)
    if target.ndim == 2:
        permuted = target[:, order]
    else:
        permuted = order.argsort()[target]
    torch.testing.assert_close(
        loss(student[:, order], teacher[:, order], permuted),
        loss(student, teacher, target),
    )


@each(BY_ROWS)
def test_a_batch_of_one_is_a_row_of_a_larger_one(loss):
    inputs = logits((5, 7)).requires_grad_(), logits((5, 7), 1), hard((5, 7))
    alone = loss(*[x[:1] for x in inputs])
    torch.testing.assert_close(alone, loss(*inputs, reduction='none')[0])


@each(but('tf_nkd', 'uskd'))  # whose other logits are the student's
def test_no_gradient_reaches_the_teacher(loss):
    student = logits((5, 7)).requires_grad_()
    teacher = logits((5, 7), seed=1).requires_grad_()
    loss(student, teacher, hard((5, 7))).backward()
    assert teacher.grad is None
    assert student.grad.any()


@each(PLAIN)
@pytest.mark.parametrize('dtype', [torch.float64, torch.int64, torch.uint8])
def test_one_hot_scores_equal_class_indices(loss, dtype):
    student, teacher, target = logits((5, 7)), logits((5, 7), 1), hard((5, 7))
    scores = F.one_hot(target, 7).to(dtype)
    torch.testing.assert_close(
        loss(student, teacher, scores), loss(student, teacher, target)
    )


@each({name: EVERY[name] for name in ONE_TARGET})
def test_the_larger_share_of_a_mixed_label_is_the_target(loss):
    pair = logits((5, 7)), logits((5, 7), seed=1)
    scores, labels = mixed((5, 7)), hard((5, 7))
    assert torch.equal(loss(*pair, scores), loss(*pair, labels))


@each(EVERY)
@pytest.mark.parametrize(
    ('reduction', 'reduce'),
    [('mean', torch.mean), ('sum', torch.sum), ('none', torch.clone)],
)
def test_reduction_is_over_the_batch(loss, reduction, reduce):
    inputs = logits((5, 7)).requires_grad_(), logits((5, 7), 1), hard((5, 7))
    per_sample = loss(*inputs, reduction='none')
    assert per_sample.shape == (5,)
    result = loss(*inputs, reduction=reduction)
    torch.testing.assert_close(result, reduce(per_sample))


@each(PLAIN)
def test_integer_dtypes_of_labels_are_all_accepted(loss):
    student, teacher, target = logits((5, 7)), logits((5, 7), 1), hard((5, 7))
    expected = loss(student, teacher, target)
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32):
        assert torch.equal(loss(student, teacher, target.to(dtype)), expected)


@each_with_targets(PLAIN)
def test_torch_compile_takes_the_whole_graph(loss, make_target):
    rest = logits((5, 7), seed=1), make_target((5, 7))
    torch.compiler.reset()  # which counts how often one line is compiled
    compiled = torch.compile(
        lambda student: loss(student, *rest),
        fullgraph=hasattr(torch.compiler, 'is_compiling'),  # torch 2.3
        backend='aot_eager',
    )
    results = []
    for function in (compiled, lambda student: loss(student, *rest)):
        student = logits((5, 7)).requires_grad_()
        value = function(student)
        results.append((value, *torch.autograd.grad(value, student)))
    torch.testing.assert_close(*results)


@each_with_targets(EVERY)
def test_losses_run_where_values_can_not_be_read(loss, make_target):
    # A meta tensor has no values: .item(), boolean indexing and their like,
    # each of which would make a GPU wait, fail on it.
    student = logits((5, 7)).to('meta').requires_grad_()
    result = loss(student, student.detach(), make_target((5, 7)).to('meta'))
    result.backward()
    assert student.grad.shape == (5, 7)


# The weight of a sample.


@pytest.mark.parametrize(('shape', 'dtype'), EXTREMES)
def test_weights_are_finite_for_extreme_logits(shape, dtype):
    student = extreme(shape, dtype)
    weight = entropy_weight(student, -student, temperature=2.0)
    assert torch.isfinite(weight).all()


def test_a_mask_is_not_among_the_classes_of_the_weight():
    pair = logits((5, 7)), logits((5, 7), seed=1)
    torch.testing.assert_close(
        entropy_weight(*map(masked, pair), temperature=2.0),
        entropy_weight(*[x[:, [0, 2, 3, 5]] for x in pair], temperature=2.0),
    )


def test_torch_compile_takes_the_weight():
    pair = logits((5, 7)), logits((5, 7), seed=1)
    compiled = torch.compile(
        entropy_weight, fullgraph=True, backend='aot_eager'
    )
    torch.testing.assert_close(
        compiled(*pair, temperature=2.0),
        entropy_weight(*pair, temperature=2.0),
    )
