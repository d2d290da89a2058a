"""Logit standardization against the formula in loops, and theory."""

import pytest
import reference
import torch
from draws import WITH_TEACHER, each, hard, logits
from torch.autograd import gradcheck

from mmnkd.functional import standardize


def test_standardize_is_the_formula_in_loops():
    given = logits((5, 7))
    expected = reference.standardize(given.tolist())
    torch.testing.assert_close(
        standardize(given), torch.tensor(expected, dtype=torch.float64)
    )


def test_standardize_passes_gradcheck():
    assert gradcheck(standardize, logits((5, 7)).requires_grad_())


@each(WITH_TEACHER)
def test_standardized_losses_ignore_an_affine_map_of_the_logits(loss):
    student, teacher = logits((5, 7)), standardize(logits((5, 7), seed=1))
    rest = teacher, hard((5, 7))
    torch.testing.assert_close(
        loss(standardize(3 * student + 2), *rest),
        loss(standardize(student), *rest),
    )


@pytest.mark.parametrize('classes', [2, 7, 1000, 21841])
def test_equal_logits_are_standardized_to_zero_without_a_gradient(classes):
    values = torch.linspace(-50, 50, 37).unsqueeze(1)
    student = values.repeat(1, classes).requires_grad_()
    result = standardize(student)
    (result * torch.randn(37, classes)).sum().backward()
    assert not result.any()
    assert not student.grad.any()


def test_rounding_is_no_spread():
    noise = 5 + 3e-7 * torch.randn(4, 100)
    assert not standardize(noise).any()


def test_what_is_not_a_number_stays_so():
    given = logits((5, 7)).index_fill(1, torch.tensor([2]), torch.nan)
    assert standardize(given).isnan().all()


def test_standardize_refuses_what_is_no_logits():
    with pytest.raises(ValueError, match=r'`logits` of shape \(N, C\)'):
        standardize(torch.zeros(3))
