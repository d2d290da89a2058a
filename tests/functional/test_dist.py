"""DIST against theory, and where correlation has no meaning."""

import pytest
import torch
import torch.nn.functional as F
from draws import logits

from mmnkd.functional import dist_loss


def test_dist_compares_up_to_an_affine_map():
    # Of the probabilities, that is: mixed with those of a uniform guess.
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    mixed_with_uniform = (0.3 * F.softmax(student, dim=1) + 0.1).log()
    torch.testing.assert_close(
        dist_loss(mixed_with_uniform, teacher),
        dist_loss(student, teacher),
        rtol=1e-6,
        atol=0,
    )
    assert dist_loss(student, student) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('classes', [2, 7, 10, 100])
def test_a_student_of_equal_logits_gets_no_gradient(classes):
    for count in range(1, 259):
        teacher = logits((count, classes), seed=count).float()
        student = torch.full((count, classes), 0.1, requires_grad=True)
        loss = dist_loss(student, teacher)
        loss.backward()
        assert loss == 2
        assert not student.grad.any(), count


@pytest.mark.parametrize(('count', 'classes'), [(1, 10), (8, 2), (64, 100)])
@pytest.mark.parametrize('spread', [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
def test_gradients_of_a_nearly_uniform_student_are_finite_in_float16(
    count, classes, spread
):
    teacher = logits((count, classes), seed=1).half()
    student = (spread * logits((count, classes))).half().requires_grad_()
    dist_loss(student, teacher).backward()
    assert student.grad.isfinite().all()
    # From a hundredth on it is the gradient of float32.
    if spread == 1e-2:
        exact = student.detach().float().requires_grad_()
        dist_loss(exact, teacher).backward()
        assert student.grad.any()
        torch.testing.assert_close(student.grad, exact.grad.half())


def test_dist_of_what_is_not_a_number_stays_so():
    student = logits((5, 7)).index_fill(1, torch.tensor([2]), torch.nan)
    assert dist_loss(student, logits((5, 7), seed=1)).isnan()
