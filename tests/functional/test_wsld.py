"""WSLD against theory."""

import torch
import torch.nn.functional as F
from draws import TARGETS, hard, logits

from mmnkd.functional import wsld_loss


@TARGETS
def test_wsld_has_the_gradient_of_a_constant_weight(make_target):
    student, teacher = logits((5, 7)).requires_grad_(), logits((5, 7), seed=1)
    target = make_target((5, 7))
    loss = wsld_loss(student, teacher, target, reduction='none')
    (actual,) = torch.autograd.grad(loss.sum(), student)
    log_s = F.log_softmax(student / 2, dim=1)
    soft = 4 * -(F.softmax(teacher / 2, dim=1) * log_s).sum(dim=1)
    weight = (loss / soft).detach()
    (expected,) = torch.autograd.grad((weight * soft).sum(), student)
    torch.testing.assert_close(actual, expected)


def test_wsld_counts_a_sample_less_the_more_the_student_is_ahead():
    teacher = logits((5, 7), seed=1)
    target = hard((5, 7))
    ahead = 1e4 * F.one_hot(target, 7).double()
    assert wsld_loss(ahead, teacher, target) == 0
    behind = wsld_loss(-ahead, teacher, target)
    soft = -F.softmax(teacher / 2, 1) * F.log_softmax(-ahead / 2, 1)
    torch.testing.assert_close(behind, 4 * soft.sum(dim=1).mean())
