"""The fused losses on a CPU.

NKD, KD and DKD go block of rows by block; a block stays in the processor's
cache from its first pass to its last. tf-NKD is a softmax.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Optional

import torch
from torch import Tensor

from .cpu_blocks import (
    Block,
    Columns,
    Sums,
    fast_block,
    robust_block,
    values,
)
from .own import own_gradients
from .spec import Rows, Spec

__all__ = ['compute', 'own_backward', 'own_forward', 'scale_']

# Elements of a block, for each thread. Scratch memory has a sixth of the
# elements of the logits, but not less than is worth a call.
_BLOCK = 262144
_PART = 6
_LEAST = 16384


def compute(
    student: Tensor,
    teacher: Tensor,
    index: Optional[Tensor],
    spec: Spec,
    *,
    gradient_dtype: Optional[torch.dtype],
    scale: float,
) -> Rows:
    """Compute the terms of each row, and the gradient of their sum.

    Args:
        student: (N, C) logits.
        teacher: (N, C) logits.
        index: (N, 1) target classes, None where there is no target term.
        spec: The loss.
        gradient_dtype: Of the gradient, None where none is wanted.
        scale: A factor of the gradient.

    Returns:
        The results; all but the gradient in float32 or better.
    """
    wide = torch.promote_types(student.dtype, teacher.dtype)
    wide = torch.promote_types(wide, torch.float32)
    gradient = None
    if gradient_dtype is not None:
        gradient = torch.empty_like(student, dtype=gradient_dtype)
    inputs = (student, teacher, index)
    if index is not None and student.shape[1] == 2:  # the other has exactly 1
        columns = _robust(_blocks(*inputs, gradient, wide, spec), spec, scale)
    else:
        blocks = _blocks(*inputs, gradient, wide, spec)
        columns, lost = _fast(blocks, spec, scale)
        if index is not None and lost.any():
            rows = lost.nonzero()[:, 0]
            part = None if gradient is None else gradient[rows]
            some = (student[rows], teacher[rows], index[rows])
            found = _robust(_blocks(*some, part, wide, spec), spec, scale)
            for column, values_there in zip(columns, found):
                column[rows] = values_there
            if gradient is not None and part is not None:
                gradient[rows] = part
    target, others, odds = columns
    return Rows(target.squeeze(1), others.squeeze(1), odds, gradient)


def scale_(
    gradient: Tensor,
    student: Tensor,
    index: Optional[Tensor],
    teacher_odds: Tensor,
    spec: Spec,
    *,
    scale: float,
    grad_target: Tensor,
    grad_others: Tensor,
) -> Tensor:
    """Weight the gradient of each term, in place.

    Args:
        gradient: (N, C) of the sum of both, times `scale`.
        student: (N, C) logits.
        index: (N, 1) target classes, None where there is no target term.
        teacher_odds: (N, 1), see :class:`Rows`.
        spec: The loss.
        scale: What :func:`compute` was given.
        grad_target: (N,) weights of the target term.
        grad_others: (N,) weights of the other term.

    Returns:
        The gradient.
    """
    if not (grad_others == scale).all():
        gradient.mul_((grad_others / scale).unsqueeze(1))
    if index is not None and not torch.equal(grad_target, grad_others):
        own, _ = own_gradients(
            student, index, teacher_odds, spec, create_graph=False
        )
        gradient.add_((grad_target - grad_others).unsqueeze(1) * own)
    return gradient


def own_forward(student: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Compute log-probabilities of some classes.

    Args:
        student: (N, C) logits.
        index: (N, K) classes.

    Returns:
        (N, K), and what :func:`own_backward` wants, the softmax.
    """
    wide = torch.promote_types(student.dtype, torch.float32)
    softmax = torch.softmax(student, dim=1, dtype=wide)
    maximum = student.amax(dim=1, keepdim=True)
    logits = student.gather(1, index).to(wide) - maximum
    # 1 / the largest softmax is the sum of exp(x - maximum).
    return logits + softmax.amax(dim=1, keepdim=True).log(), softmax


def own_backward(
    student: Tensor, index: Tensor, softmax: Tensor, factor: Tensor
) -> Tensor:
    """Compute the gradient of a weighted sum of those log-probabilities.

    Args:
        student: (N, C) logits.
        index: (N, K) classes, distinct in a row.
        softmax: (N, C), from :func:`own_forward`; overwritten.
        factor: (N, K) weights.

    Returns:
        (N, C), of the student's dtype.
    """
    total = factor if factor.shape[1] == 1 else factor.sum(1, keepdim=True)
    gradient = softmax.mul_(-total).scatter_add_(1, index, factor)
    return gradient.to(student.dtype)


def _scratch_rows(logits: Tensor, copies: int) -> int:
    """Return how many rows scratch memory may have, if it has `copies`."""
    parts = min(_PART * copies, logits.numel() // _LEAST + 1)
    return -(-len(logits) // parts)


def _blocks(
    student: Tensor,
    teacher: Tensor,
    index: Optional[Tensor],
    gradient: Optional[Tensor],
    dtype: torch.dtype,
    spec: Spec,
) -> Iterator[Block]:
    """Yield blocks of rows, in `dtype`."""
    classes = student.shape[1]
    size = max(_BLOCK * torch.get_num_threads() // classes, 1)
    apart = gradient is None or gradient.dtype != dtype
    copies = int(apart) + (student.dtype != dtype) + (teacher.dtype != dtype)
    scratches = 1 + (spec.temperature != 1)
    if copies:
        size = min(size, _scratch_rows(student, copies + scratches))
    rows = min(size, _scratch_rows(student, copies + scratches))
    scratch = student.new_empty(scratches, rows, classes, dtype=dtype)
    for s, t, labels, out in zip(
        student.split(size),
        teacher.split(size),
        repeat(None) if index is None else index.split(size),
        repeat(None) if gradient is None else gradient.split(size),
    ):
        g = out
        if g is None or apart:
            g = torch.empty_like(s, dtype=dtype)
        yield Block(s.to(dtype), t.to(dtype), labels, g, scratch)
        if out is not None and apart:
            out.copy_(g)


def _fast(
    blocks: Iterable[Block], spec: Spec, scale: float
) -> tuple[Columns, Tensor]:
    """Compute all blocks; say which rows, (N,), are lost to underflow."""
    parts = [fast_block(block, spec, scale) for block in blocks]
    sums = parts[0]
    if len(parts) > 1:
        sums = Sums(*map(torch.cat, zip(*parts)))
    limits = torch.finfo(sums.dot.dtype)
    least = torch.minimum(sums.s_others, sums.t_others).squeeze(1)
    lost = ~(least > limits.tiny / limits.eps**2)  # NaN too
    return values(sums, spec, scale), lost


def _robust(blocks: Iterable[Block], spec: Spec, scale: float) -> Columns:
    """Compute all blocks without :func:`_fast`'s underflow."""
    parts = [robust_block(block, spec, scale) for block in blocks]
    target_term, others_term, odds = map(torch.cat, zip(*parts))
    return target_term, others_term, odds
