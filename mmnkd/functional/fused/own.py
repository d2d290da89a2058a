"""The student's own part of the fused losses, for autograd to differentiate.

Of the teacher, a loss has T_t and a part that is linear in the student's
logits: constants in its gradient. So without the teacher's logits the rest
gives each term's derivatives: what double backward and terms that are
weighted apart need.
"""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tensors import at_least_float32, drop, log_binary
from .spec import Spec

__all__ = ['own_gradients']


def own_gradients(
    student: Tensor,
    index: Optional[Tensor],
    teacher_odds: Tensor,
    spec: Spec,
    *,
    create_graph: bool,
) -> tuple[Tensor, Tensor]:
    """Compute the gradient of both terms less what is linear in the logits.

    Args:
        student: (N, C) logits that require a gradient.
        index: (N, 1) target classes, None where there is no target term.
        teacher_odds: (N, 1), see :class:`Rows`.
        spec: The loss.
        create_graph: Whether the gradients are to be differentiated.

    Returns:
        That of the target term, which is all of it, and that of the other
        term without the teacher's part, both (N, C).
    """
    with torch.enable_grad():
        leaf = student if create_graph else student.detach().requires_grad_()
        logits = at_least_float32(leaf)
        terms = (
            _target_term(logits, index, teacher_odds, spec),
            _others_term(logits, index, spec),
        )
        target, others = (
            torch.autograd.grad(
                term.sum(),
                leaf,
                create_graph=create_graph,
                retain_graph=True,
                materialize_grads=True,
            )[0]
            for term in terms
        )
    return target, others


def _target_term(
    logits: Tensor, index: Optional[Tensor], teacher_odds: Tensor, spec: Spec
) -> Tensor:
    if index is None:
        return logits.new_zeros(1, requires_grad=True)
    t_t, rest = teacher_odds.sigmoid(), (-teacher_odds).sigmoid()
    if spec.target == 'soft_label':
        term = -t_t * F.log_softmax(logits, dim=1).gather(1, index)
    else:
        log_s = log_binary(logits / spec.temperature, index)
        term = -(torch.cat([t_t, rest], dim=1) * log_s).sum(dim=1)
    return spec.target_weight * term


def _others_term(
    logits: Tensor, index: Optional[Tensor], spec: Spec
) -> Tensor:
    others = logits / spec.temperature
    if index is not None:
        others = drop(others, index)
    return spec.others_weight * others.logsumexp(dim=1)
