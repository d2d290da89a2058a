"""NKD against theory."""

import pytest
import torch
import torch.nn.functional as F
from draws import hard, logits

from mmnkd.functional import nkd_loss, nkd_terms


@pytest.mark.parametrize('temperature', [0.25, 1.0, 4.0])
def test_nkd_of_opposite_extremes_is_exact(temperature):
    student = torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float16)
    teacher = -student
    target = torch.tensor([1])
    # T_t = 1 and log S_t = -2e4; among the others the teacher has class 2.
    expected = 2e4 + 1.5 * temperature**2 * 1e4 / temperature
    loss = nkd_loss(student, teacher, target, temperature=temperature)
    assert loss.item() == pytest.approx(expected)


def test_the_target_term_of_a_certain_teacher_is_cross_entropy():
    student, target = logits((5, 7)), hard((5, 7))
    certain = 1e4 * F.one_hot(target, 7).double()
    loss = nkd_loss(student, certain, target, gamma=0)
    torch.testing.assert_close(loss, F.cross_entropy(student, target))


def test_the_nontarget_gradient_is_that_of_a_kl_divergence():
    student = logits((5, 7)).requires_grad_()
    teacher, target = logits((5, 7), seed=1), hard((5, 7))
    terms = nkd_terms(student, teacher, target, gamma=1.0, temperature=2.0)
    (actual,) = torch.autograd.grad(terms[1].sum(), student)
    others = torch.stack(
        [torch.tensor([i for i in range(7) if i != t]) for t in target]
    )
    divergence = 4 * F.kl_div(
        F.log_softmax(student.gather(1, others) / 2, dim=1),
        F.softmax(teacher.gather(1, others) / 2, dim=1),
        reduction='sum',
    )
    (expected,) = torch.autograd.grad(divergence, student)
    torch.testing.assert_close(actual, expected)


def test_two_classes_leave_the_target_term_only():
    student, teacher, target = logits((5, 2)), logits((5, 2), 1), hard((5, 2))
    _, nontarget_term = nkd_terms(student, teacher, target)
    assert torch.equal(nontarget_term, torch.zeros(5, dtype=torch.float64))
