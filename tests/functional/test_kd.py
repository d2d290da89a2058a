"""KD and DKD against theory."""

import pytest
import torch
import torch.nn.functional as F
from draws import hard, logits

from mmnkd.functional import dkd_terms, kd_loss


def test_kd_of_a_teacher_with_itself_is_zero_with_zero_gradient():
    student = logits((5, 7)).requires_grad_()
    loss = kd_loss(student, student.detach().clone(), temperature=3)
    loss.backward()
    assert loss == 0
    torch.testing.assert_close(student.grad, torch.zeros(5, 7).double())


def test_kd_is_the_divergence_of_torch():
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    expected = 9 * F.kl_div(
        F.log_softmax(student / 3, dim=1),
        F.softmax(teacher / 3, dim=1),
        reduction='batchmean',
    )
    torch.testing.assert_close(
        kd_loss(student, teacher, temperature=3), expected
    )


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_dkd_whose_terms_weigh_1_and_1_minus_t_is_kd(temperature):
    student, teacher, target = logits((5, 7)), logits((5, 7), 1), hard((5, 7))
    target_term, nontarget_term = dkd_terms(
        student, teacher, target, temperature=temperature, alpha=1, beta=1
    )
    t = F.softmax(teacher / temperature, dim=1)
    t = t.gather(1, target.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(
        target_term + (1 - t) * nontarget_term,
        kd_loss(student, teacher, temperature=temperature, reduction='none'),
    )
