"""NKD as it is usually written: with a mask, and as many passes as terms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['released_nkd_loss']


def released_nkd_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
) -> Tensor:
    """Compute NKD by boolean masks, the formulation of the released code.

    It is here to be compared with :func:`mmnkd.functional.nkd_loss`, which has
    the same value and gradient.

    Args:
        logits_student: (N, C) logits.
        logits_teacher: (N, C) logits.
        target: (N,) class indices.
        temperature: Of the non-target classes.
        gamma: Weight of the non-target term.

    Returns:
        The mean over the batch.
    """
    n, classes = logits_student.shape
    logits_teacher = logits_teacher.detach()
    index = target.unsqueeze(1)
    s = F.softmax(logits_student, dim=1).gather(1, index)
    t = F.softmax(logits_teacher, dim=1).gather(1, index)
    target_term = -(t * s.log()).mean()

    others = torch.ones_like(logits_student).scatter_(1, index, 0).bool()
    s_others = logits_student[others].reshape(n, classes - 1)
    t_others = logits_teacher[others].reshape(n, classes - 1)
    log_s_hat = F.log_softmax(s_others / temperature, dim=1)
    t_hat = F.softmax(t_others / temperature, dim=1)
    nontarget_term = -(t_hat * log_s_hat).sum(dim=1).mean()
    return target_term + gamma * temperature**2 * nontarget_term
