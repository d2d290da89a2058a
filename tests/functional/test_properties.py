"""What holds for every loss on logits: finite, precise, on any device."""

import pytest
import torch
import torch.nn.functional as F
from draws import (
    CLOSED,
    LOSSES,
    TARGETS,
    WITH_TEACHER,
    each,
    gradient_of,
    hard,
    logits,
)

from mmnkd.functional import kd_loss, standardize


class Standardized:
    """KD of standardized logits."""

    def __call__(self, student, teacher, target, **kwargs):
        return kd_loss(standardize(student), standardize(teacher), **kwargs)


EVERY = {**LOSSES, 'standardized': Standardized()}
# The context that asks for the closed form is not for torch.compile.
PLAIN = {name: loss for name, loss in EVERY.items() if name not in CLOSED}

EXTREMES = [
    ((1, 2), torch.float32),
    ((6, 2), torch.float32),
    ((1, 9), torch.float32),
    ((6, 9), torch.float16),
    ((6, 9), torch.bfloat16),
    ((6, 9), torch.float64),
]


@each(EVERY)
@TARGETS
@pytest.mark.parametrize(('shape', 'dtype'), EXTREMES)
def test_losses_are_finite_for_extreme_logits(loss, make_target, shape, dtype):
    values = torch.tensor([1e4, -1e4, 0.0, 9999.0])
    student = values.repeat(shape[0] * shape[1])[: shape[0] * shape[1]]
    student = student.reshape(shape).to(dtype).requires_grad_()
    result = loss(student, -student.detach(), make_target(shape))
    result.backward()
    assert torch.isfinite(result)
    assert torch.isfinite(student.grad).all()


def masked(given, classes, value=-torch.inf):
    return given.index_fill(1, torch.tensor(classes), value)


@each({name: loss for name, loss in LOSSES.items() if name != 'dist'})
@TARGETS
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_classes_that_both_networks_mask_have_no_share(
    loss, make_target, dtype
):
    # The other four classes first, of which the labels are.
    student, teacher = logits((6, 7)).to(dtype), logits((6, 7), 1).to(dtype)
    few = make_target((6, 4))
    target = F.pad(few, (0, 3)) if few.ndim == 2 else few
    inputs = masked(student, [4, 5, 6]), masked(teacher, [4, 5, 6]), target
    expected = student[:, :4], teacher[:, :4], few
    torch.testing.assert_close(
        loss(*inputs, reduction='none'), loss(*expected, reduction='none')
    )
    gradient = gradient_of(loss, *inputs)
    torch.testing.assert_close(gradient[:, :4], gradient_of(loss, *expected))
    assert not gradient[:, 4:].any()


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
    rest = -student.detach(), hard((16, 100))
    result = loss(student, *rest)
    assert result.dtype == torch.float32
    exact = loss(student.double(), *rest)
    assert result.item() == pytest.approx(exact.item(), rel=1e-5)
    assert gradient_of(loss, student, *rest).dtype == dtype


@each(EVERY)
def test_autocast_does_not_lower_the_precision(loss):
    student = logits((16, 100)).float().requires_grad_()
    rest = -student.detach(), hard((16, 100))
    expected = loss(student, *rest)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = loss(student, *rest)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


@each(EVERY)
@TARGETS
def test_losses_ignore_a_constant_added_to_all_logits(loss, make_target):
    student, target = logits((5, 7)).requires_grad_(), make_target((5, 7))
    teacher = logits((5, 7), seed=1)
    torch.testing.assert_close(
        loss(student + 50, teacher - 30, target),
        loss(student, teacher, target),
    )


@each(EVERY)
@TARGETS
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


@each(PLAIN)
@pytest.mark.parametrize('dtype', [torch.float64, torch.int64, torch.uint8])
def test_one_hot_scores_equal_class_indices(loss, dtype):
    student, teacher, target = logits((5, 7)), logits((5, 7), 1), hard((5, 7))
    scores = F.one_hot(target, 7).to(dtype)
    torch.testing.assert_close(
        loss(student, teacher, scores), loss(student, teacher, target)
    )


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


@each(PLAIN)
@TARGETS
def test_torch_compile_takes_the_whole_graph(loss, make_target):
    rest = logits((5, 7), seed=1), make_target((5, 7))
    torch.compiler.reset()  # which counts how often one line is compiled
    compiled = torch.compile(
        lambda student: loss(student, *rest),
        fullgraph=hasattr(torch.compiler, 'is_compiling'),  # torch 2.3
        backend='aot_eager',
    )
    student = logits((5, 7))
    torch.testing.assert_close(compiled(student), loss(student, *rest))
    torch.testing.assert_close(
        gradient_of(compiled, student), gradient_of(loss, student, *rest)
    )


@each(EVERY)
@TARGETS
def test_losses_run_where_values_can_not_be_read(loss, make_target):
    # A meta tensor has no values: .item(), boolean indexing and their like,
    # each of which would make a GPU wait, fail on it.
    student = logits((5, 7)).to('meta').requires_grad_()
    result = loss(student, student.detach(), make_target((5, 7)).to('meta'))
    result.backward()
    assert student.grad.shape == (5, 7)
