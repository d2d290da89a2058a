"""USKD against theory."""

import torch
import torch.nn.functional as F
from draws import hard, logits

from mmnkd.functional import uskd_loss, uskd_terms


def test_the_weak_head_learns_from_its_own_term_only():
    student, target = logits((5, 7)), hard((5, 7))
    weak = logits((5, 7), seed=1).requires_grad_()
    uskd_loss(student, weak, target, mu=0.3).backward()
    smoothed = F.cross_entropy(weak, target, label_smoothing=0.1)
    (expected,) = torch.autograd.grad(0.3 * smoothed, weak)
    torch.testing.assert_close(weak.grad, expected)


def test_nontarget_labels_of_uskd_follow_zipf_by_rank():
    # The student's non-target order is 1, 2, 3: labels 1/2, 1/3, 1/4.
    student = torch.tensor([[9.0, 3.0, 2.0, 1.0]]).double()
    _, term, _ = uskd_terms(student, student, torch.tensor([0]), beta=1)
    z = torch.tensor([1 / 2, 1 / 3, 1 / 4]).double()
    expected = -(z / z.sum() * F.log_softmax(student[0, 1:], dim=0)).sum()
    torch.testing.assert_close(term[0], expected)
