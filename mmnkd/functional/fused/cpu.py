"""The fused losses on a CPU.

NKD, KD and DKD go block of rows by block; a block stays in the processor's
cache from its first pass to its last. tf-NKD is a softmax.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Optional

import torch
from torch import Tensor

from .cpu_blocks import (
    Block,
    Columns,
    Sums,
    exact_rows,
    fast_block,
    robust_block,
    values,
)
from .own import own_gradients
from .spec import Rows, Spec

__all__ = ['compute', 'own_backward', 'own_forward', 'scale_']

# Elements of a block, for each thread. Memory beyond the gradient has a sixth
# of the elements of the logits, but not less than is worth a call.
_BLOCK = 262144
_PARTS = 6
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
    inputs = (student, teacher, index)
    gradient, blocks = _lay_out(*inputs, gradient_dtype, wide)
    if index is not None and student.shape[1] == 2:  # the other has exactly 1
        columns = _robust(blocks, spec, scale)
    else:
        columns, exact = _fast(blocks, spec, scale)
        if exact is not None and not exact.all():
            assert index is not None  # exact_rows
            rows = (~exact).nonzero()[:, 0]
            some = (student[rows], teacher[rows], index[rows])
            part, blocks = _lay_out(*some, gradient_dtype, wide)
            found = _robust(blocks, spec, scale)
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
    if (
        index is not None
        and grad_target is not grad_others
        and not torch.equal(grad_target, grad_others)
    ):
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


def _lay_out(
    student: Tensor,
    teacher: Tensor,
    index: Optional[Tensor],
    gradient_dtype: Optional[torch.dtype],
    dtype: torch.dtype,
) -> tuple[Optional[Tensor], Iterator[Block]]:
    """Return room for the gradient, and the blocks that fill it.

    Behind a block's gradient is its scratch memory: rows of later blocks, and
    at the end some to spare, which stay allocated as long as the gradient. A
    gradient of another dtype, or none, isn't in that memory, nor are copies of
    logits; then blocks are small.
    """
    count, classes = student.shape
    most = max(_BLOCK * torch.get_num_threads() // classes, 1)
    direct = gradient_dtype == dtype
    dtypes = (gradient_dtype, student.dtype, teacher.dtype)
    copies = sum(other != dtype for other in dtypes)
    parts = min(_PARTS * (copies + 1), student.numel() // _LEAST + 1)
    spare = min(-(-count // parts), most)
    if copies:
        most = spare
    at_once = count if direct else spare
    memory = student.new_empty(at_once + spare, classes, dtype=dtype)
    gradient = None
    if direct:
        gradient = memory[:count]
    elif gradient_dtype is not None:
        gradient = student.new_empty(count, classes, dtype=gradient_dtype)

    columns = (student, teacher, index, gradient)
    return gradient, _blocks(*columns, memory, most)


def _blocks(
    student: Tensor,
    teacher: Tensor,
    index: Optional[Tensor],
    gradient: Optional[Tensor],
    memory: Tensor,
    most: int,
) -> Iterator[Block]:
    """Yield blocks of at most `most` rows, in the dtype of the memory.

    Args:
        student: (N, C) logits.
        teacher: (N, C) logits.
        index: (N, 1) target classes, or None.
        gradient: (N, C), or None. It lies at the start of the memory, or is of
            another dtype and gets a copy.
        memory: Behind each block has to be room for as many rows.
        most: Rows.
    """
    dtype, count, start = memory.dtype, len(student), 0
    direct = gradient is not None and gradient.dtype == dtype
    while start < count:
        at = start if direct else 0
        size = min(most, count - start, (len(memory) - at) // 2)
        rows = slice(start, start + size)
        g, scratch = memory[at : at + size], memory[at + size : at + 2 * size]
        yield Block(
            student[rows].to(dtype),
            teacher[rows].to(dtype),
            None if index is None else index[rows],
            g,
            scratch,
        )
        if gradient is not None and not direct:
            gradient[rows] = g
        start += size


def _fast(
    blocks: Iterable[Block], spec: Spec, scale: float
) -> tuple[Columns, Optional[Tensor]]:
    """Compute all blocks; say which rows, (N, 1), didn't underflow."""
    parts = [fast_block(block, spec, scale) for block in blocks]
    sums = parts[0]
    if len(parts) > 1:
        sums = Sums(*map(torch.cat, zip(*parts)))
    return values(sums, spec), exact_rows(sums, spec)


def _robust(blocks: Iterable[Block], spec: Spec, scale: float) -> Columns:
    """Compute all blocks without :func:`fast_block`'s underflow."""
    found = []
    for block in blocks:
        size = max(_LEAST // block.s.shape[1], 1)  # it makes many copies
        columns = [column for column in block if column is not None]
        for rows in zip(*(column.split(size) for column in columns)):
            found.append(robust_block(Block(*rows), spec, scale))
    target_term, others_term, odds = map(torch.cat, zip(*found))
    return target_term, others_term, odds
