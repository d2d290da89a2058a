"""What holds for every loss on logits: finite, precise, on any device."""

import pytest
import torch
import torch.nn.functional as F
from draws import TARGETS, hard, logits

from mmnkd.functional import (
    dist_loss,
    dkd_loss,
    kd_loss,
    nkd_loss,
    standardize,
    tf_nkd_loss,
    uskd_loss,
    wsld_loss,
)

SHAPES = [(5, 7), (1, 2), (3, 2), (1, 11), (4, 1000)]

pytestmark = pytest.mark.usefixtures('each_form')


def call_nkd(student, target, **kwargs):
    return nkd_loss(student, -student.detach(), target, **kwargs)


def call_tf_nkd(student, target, **kwargs):
    return tf_nkd_loss(student, target, **kwargs)


def call_kd(student, target, **kwargs):
    return kd_loss(student, -student.detach(), **kwargs)


def call_dkd(student, target, **kwargs):
    return dkd_loss(student, -student.detach(), target, **kwargs)


def call_wsld(student, target, **kwargs):
    return wsld_loss(student, -student.detach(), target, **kwargs)


def call_dist(student, target, **kwargs):
    return dist_loss(student, -student.detach(), **kwargs)


def call_uskd(student, target, **kwargs):
    return uskd_loss(student, -student.detach(), target, **kwargs)


def call_standardized(student, target, **kwargs):
    teacher = standardize(-student.detach())
    return kd_loss(standardize(student), teacher, **kwargs)


LOSSES = pytest.mark.parametrize(
    'loss',
    [
        call_nkd,
        call_tf_nkd,
        call_kd,
        call_dkd,
        call_wsld,
        call_dist,
        call_uskd,
        call_standardized,
    ],
)


@LOSSES
@TARGETS
@pytest.mark.parametrize('shape', [(1, 2), (6, 2), (1, 9), (6, 9)])
@pytest.mark.parametrize(
    'dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_losses_are_finite_for_extreme_logits(loss, make_target, shape, dtype):
    values = torch.tensor([1e4, -1e4, 0.0, 9999.0])
    student = values.repeat(shape[0] * shape[1])[: shape[0] * shape[1]]
    student = student.reshape(shape).to(dtype).requires_grad_()
    result = loss(student, make_target(shape))
    result.backward()
    assert torch.isfinite(result)
    assert torch.isfinite(student.grad).all()


@LOSSES
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_logits_are_computed_in_float32(loss, dtype):
    student = logits((16, 100)).to(dtype)
    target = hard((16, 100))
    result = loss(student, target)
    assert result.dtype == torch.float32
    exact = loss(student.double(), target)
    assert result.item() == pytest.approx(exact.item(), rel=1e-5)


@LOSSES
def test_autocast_does_not_lower_the_precision(loss):
    student, target = logits((16, 100)).float(), hard((16, 100))
    expected = loss(student, target)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = loss(student, target)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


@LOSSES
@TARGETS
def test_losses_ignore_a_constant_added_to_all_logits(loss, make_target):
    student, target = logits((5, 7)), make_target((5, 7))
    torch.testing.assert_close(
        loss(student + 50, target), loss(student, target)
    )


@LOSSES
@TARGETS
def test_losses_do_not_depend_on_the_order_of_classes(loss, make_target):
    student, target = logits((5, 7)), make_target((5, 7))
    order = torch.randperm(7)
    if target.ndim == 2:
        permuted = target[:, order]
    else:
        permuted = order.argsort()[target]
    torch.testing.assert_close(
        loss(student[:, order], permuted), loss(student, target)
    )


@LOSSES
def test_one_hot_scores_equal_class_indices(loss):
    student, target = logits((5, 7)), hard((5, 7))
    scores = F.one_hot(target, 7).double()
    torch.testing.assert_close(loss(student, scores), loss(student, target))


@LOSSES
@pytest.mark.parametrize(
    ('reduction', 'reduce'),
    [('mean', torch.mean), ('sum', torch.sum), ('none', torch.clone)],
)
def test_reduction_is_over_the_batch(loss, reduction, reduce):
    student, target = logits((5, 7)), hard((5, 7))
    per_sample = loss(student, target, reduction='none')
    assert per_sample.shape == (5,)
    result = loss(student, target, reduction=reduction)
    torch.testing.assert_close(result, reduce(per_sample))


@LOSSES
def test_integer_dtypes_of_labels_are_all_accepted(loss):
    student, target = logits((5, 7)), hard((5, 7))
    for dtype in (torch.uint8, torch.int32):
        assert torch.equal(
            loss(student, target.to(dtype)), loss(student, target)
        )


@LOSSES
@TARGETS
def test_torch_compile_takes_the_whole_graph(loss, make_target):
    student, target = logits((5, 7)), make_target((5, 7))
    compiled = torch.compile(loss, fullgraph=True, backend='aot_eager')
    gradients = []
    for function in (loss, compiled):
        leaf = student.clone().requires_grad_()
        function(leaf, target).backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(
        compiled(student, target), loss(student, target)
    )


@LOSSES
@TARGETS
def test_losses_run_where_values_can_not_be_read(loss, make_target):
    # A meta tensor has no values: .item(), boolean indexing and their like,
    # each of which would make a GPU wait, fail on it.
    student = logits((5, 7)).to('meta').requires_grad_()
    result = loss(student, make_target((5, 7)).to('meta'))
    result.backward()
    assert student.grad.shape == (5, 7)
