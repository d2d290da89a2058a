"""The autograd Functions: the gradient comes with the value."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from . import cpu, cuda
from .own import own_gradients
from .spec import Spec

__all__ = ['LogProbs', 'Terms']


class Terms(torch.autograd.Function):
    """Compute the target term and the other term per sample, both (N,).

    Saved are the student's logits as they are, and one (N, C) gradient; of
    the teacher, one number a row.
    """

    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        index: Optional[Tensor],
        spec: Spec,
    ) -> tuple[Tensor, Tensor]:
        """Compute the terms, and their gradient if one is needed."""
        # A mean over the batch is what most will take: then the backward has
        # nothing left to do.
        ctx.scale = 1 / student.shape[0]
        ctx.spec = spec
        ctx.backend = backend = _backend(student)
        dtype = student.dtype
        # The range of float16 is too small for the scale; and a CPU has no
        # bandwidth to save that would be worth the rounding.
        if dtype == torch.float16 or backend is cpu:
            dtype = torch.promote_types(dtype, torch.float32)
        rows = backend.compute(
            student,
            teacher,
            index,
            spec,
            gradient_dtype=dtype if ctx.needs_input_grad[0] else None,
            scale=ctx.scale,
        )
        ctx.save_for_backward(student, index, rows.teacher_odds, rows.gradient)
        return rows.target_term, rows.others_term

    @staticmethod
    def backward(ctx: Any, grad_target: Tensor, grad_others: Tensor) -> tuple:
        """Weight the gradient."""
        student, index, odds, gradient = ctx.saved_tensors
        if _must_stay_apart(grad_target, grad_others):
            weighted = _differentiable(
                ctx, student, index, odds, gradient, grad_target, grad_others
            )
            return weighted, None, None, None
        if not _is_last(ctx):
            gradient = gradient.clone()
        gradient = ctx.backend.scale_(
            gradient,
            student,
            index,
            odds,
            ctx.spec,
            scale=ctx.scale,
            grad_target=grad_target,
            grad_others=grad_others,
        )
        return gradient.to(student.dtype), None, None, None


class LogProbs(torch.autograd.Function):
    """Compute the student's log-probabilities of some classes, (N, K)."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, index: Tensor) -> Tensor:
        """Compute them, and what the backward wants: it knows the weights."""
        ctx.backend = _backend(student)
        log_probs, kept = ctx.backend.own_forward(student, index)
        ctx.save_for_backward(student, index, kept)
        return log_probs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        """Compute the gradient."""
        student, index, kept = ctx.saved_tensors
        if _must_stay_apart(grad):
            softmax = F.softmax(student, dim=1, dtype=grad.dtype)
            shared = softmax * grad.sum(dim=1, keepdim=True)
            at_labels = torch.zeros_like(softmax).scatter_add(1, index, grad)
            return (at_labels - shared).to(student.dtype), None
        if not _is_last(ctx):
            kept = kept.clone()
        return ctx.backend.own_backward(student, index, kept, grad), None


def _backend(logits: Tensor) -> ModuleType:
    return cpu if logits.is_cpu else cuda


def _must_stay_apart(*grads: Tensor) -> bool:
    """Tell whether nothing may be done in place, nor out of autograd's sight.

    As in a backward that will be differentiated, or is of batched gradients.
    """
    # What `is_grads_batched` makes; torch 2.1 can't tell.
    is_batched = getattr(torch._C._functorch, 'is_legacy_batchedtensor', None)
    return torch.is_grad_enabled() or (
        is_batched is not None and any(map(is_batched, grads))
    )


def _is_last(ctx: Any) -> bool:
    """Tell whether no other backward will ask for what was saved."""
    keeps = getattr(
        torch._C._autograd, '_get_current_graph_task_keep_graph', None
    )
    if keeps is not None:
        return not keeps()
    # Of older versions: autograd forgets it now if nobody will, and says so.
    ctx.maybe_clear_saved_tensors()
    try:
        return not ctx.saved_tensors
    except RuntimeError:
        return True


def _differentiable(
    ctx: Any,
    student: Tensor,
    index: Optional[Tensor],
    odds: Tensor,
    gradient: Tensor,
    grad_target: Tensor,
    grad_others: Tensor,
) -> Tensor:
    """Weight the gradient so that it can be differentiated in turn."""
    target, others = own_gradients(
        student, index, odds, ctx.spec, create_graph=True
    )
    from_teacher = (gradient / ctx.scale - target - others).detach()
    weighted = grad_target.unsqueeze(1) * target
    weighted = weighted + grad_others.unsqueeze(1) * (others + from_teacher)
    return weighted.to(student.dtype)
