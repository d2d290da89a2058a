"""Hard-label distillation."""

import torch
import torch.nn.functional as F
from newer import logits

from mmnkd.functional import hard_loss


def test_it_is_cross_entropy_with_the_class_that_the_teacher_ranks_first():
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    expected = F.cross_entropy(student, teacher.argmax(dim=1))
    torch.testing.assert_close(hard_loss(student, teacher), expected)
