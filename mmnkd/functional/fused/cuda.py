"""The fused losses on a GPU: a launch of a Triton kernel each.

No launch waits for the GPU. Triton is imported by the first one, so that the
losses work where there is none.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Optional

import torch
from torch import Tensor

from .spec import Rows, Spec

__all__ = [
    'compute',
    'is_available',
    'own_backward',
    'own_forward',
    'scale_',
]

# Classes that a row may have to stay in the registers, the most for which
# ptxas spills none, and those of a block of a longer row.
_ROW = {torch.float32: 16384, torch.float64: 4096}
_BLOCK = {torch.float32: 4096, torch.float64: 2048}


@cache
def is_available(device: torch.device) -> bool:
    """Tell whether kernels run there.

    They need Triton 3, which torch >= 2.4 brings along on Linux. Where there
    is Triton, they also need a GPU that it compiles for and a C compiler, or
    a warning says why not.
    """
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    try:
        probe = torch.zeros(1, 3, device=device)
        compute(probe, probe, None, Spec.kd(1), gradient_dtype=None, scale=1)
    except Exception as error:  # of Triton, ptxas, the compiler or the driver
        warnings.warn(
            f'No Triton kernel runs on {device}, so that mmnkd computes its '
            f'losses in their plain form there: {str(error)[:500]}',
            stacklevel=2,
        )
        return False
    return True


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

    Each logit is read once. A row that is too long for the registers is read
    again for its gradient, as soon as it can be: much of it from the cache.

    Args:
        student: (N, C) logits.
        teacher: (N, C) logits.
        index: (N, 1) target classes, None where there is no target term. Of
            a row whose target is out of range, all is NaN but its other term.
        spec: The loss.
        gradient_dtype: Of the gradient, None where none is wanted.
        scale: A factor of the gradient.

    Returns:
        The results; all but the gradient in float32 or better.
    """
    from .cuda_kernels import loss_kernel

    student, teacher = _rows(student), _rows(teacher)
    wide = _wide(student, teacher)
    rows, classes = student.shape
    gradient = None
    if gradient_dtype is not None:
        gradient = student.new_empty(rows, classes, dtype=gradient_dtype)
    target_term, others_term, teacher_odds = (
        student.new_empty(shape, dtype=wide)
        for shape in ((rows,), (rows,), (rows, 1))
    )
    block, warps = _blocks(classes, wide)
    with _on_device_of(student):
        loss_kernel[(rows,)](
            student,
            teacher,
            _contiguous(index),
            target_term,
            others_term,
            teacher_odds,
            gradient,
            1 / spec.temperature,
            spec.others_weight,
            spec.target_weight,
            scale,
            student.stride(0),
            teacher.stride(0),
            classes,
            spec.target,
            spec.entropy,
            spec.target == 'soft_label' and spec.temperature != 1,
            block,
            num_warps=warps,
        )
    return Rows(target_term, others_term, teacher_odds, gradient)


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
    """Turn the gradient into what a backward asks for, in place.

    Where that is `scale` for both terms of a row, its program only looks.
    The student is read where the two differ.

    Args:
        gradient: (N, C), see :func:`compute`.
        student: (N, C) logits, as :func:`compute` was given.
        index: (N, 1) target classes, likewise.
        teacher_odds: (N, 1), see :class:`Rows`.
        spec: The loss.
        scale: The factor that `gradient` has.
        grad_target: (N,) factors of the target term; KD has none.
        grad_others: (N,) factors of the other term.

    Returns:
        `gradient`.
    """
    from .cuda_kernels import scale_kernel

    student = _rows(student)
    rows, classes = student.shape
    cold = spec.target == 'soft_label'
    block, warps = _blocks(classes, teacher_odds.dtype, in_registers=False)
    with _on_device_of(student):
        scale_kernel[(rows,)](
            gradient,
            student,
            _contiguous(index),
            teacher_odds.contiguous(),
            grad_target,
            grad_others,
            1.0 if cold else 1 / spec.temperature,
            spec.target_weight,
            scale,
            grad_target.stride(0),
            grad_others.stride(0),
            gradient.stride(0),
            student.stride(0),
            classes,
            spec.target,
            block,
            num_warps=warps,
        )
    return gradient


def own_forward(student: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the student's log-probabilities at the labels.

    Args:
        student: (N, C) logits.
        index: (N, K) labels; one that is out of range gets NaN.

    Returns:
        The log-probabilities, (N, K) in float32 or better, and the logarithm
        of their normalizer, (N, 1) in float64: it is large where logits are,
        and :func:`own_backward` takes it from them.
    """
    from .cuda_kernels import own_forward_kernel

    student = _rows(student)
    rows, classes = student.shape
    log_probs = student.new_empty(index.shape, dtype=_wide(student))
    log_normalizer = student.new_empty(rows, 1, dtype=torch.float64)
    block, warps = _blocks(classes, log_probs.dtype, in_registers=False)
    with _on_device_of(student):
        own_forward_kernel[(rows,)](
            student,
            index.contiguous(),
            log_probs,
            log_normalizer,
            student.stride(0),
            classes,
            index.shape[1],
            block,
            num_warps=warps,
        )
    return log_probs, log_normalizer


def own_backward(
    student: Tensor, index: Tensor, log_normalizer: Tensor, factor: Tensor
) -> Tensor:
    """Compute the gradient of the log-probabilities' sum, times factors.

    Args:
        student: (N, C) logits.
        index: (N, K) labels, different ones in a row.
        log_normalizer: (N, 1), see :func:`own_forward`.
        factor: (N, K) of each log-probability.

    Returns:
        (N, C) in the dtype of `student`.
    """
    from .cuda_kernels import own_backward_kernel

    student = _rows(student)
    rows, classes = student.shape
    gradient = student.new_empty(rows, classes)
    block, warps = _blocks(classes, _wide(student), in_registers=False)
    with _on_device_of(student):
        own_backward_kernel[(rows,)](
            gradient,
            student,
            index.contiguous(),
            log_normalizer.contiguous(),
            factor.to(_wide(student)).contiguous(),
            student.stride(0),
            classes,
            index.shape[1],
            block,
            num_warps=warps,
        )
    return gradient


def _rows(logits: Tensor) -> Tensor:
    """Return logits whose rows are contiguous, each for itself."""
    return logits if logits.stride(1) == 1 else logits.contiguous()


def _contiguous(index: Optional[Tensor]) -> Optional[Tensor]:
    return None if index is None else index.contiguous()


def _wide(*logits: Tensor) -> torch.dtype:
    """Return the dtype of sums: float64 where an input is, else float32."""
    wide = any(each.dtype == torch.float64 for each in logits)
    return torch.float64 if wide else torch.float32


def _blocks(
    classes: int, wide: torch.dtype, *, in_registers: bool = True
) -> tuple[int, int]:
    """Return the size of a block, a power of two, and its number of warps.

    A thread gets 8 float32; from 8192 classes on more, as else no two rows
    were on a multiprocessor, where one computes while the other loads.
    """
    block = 1 << (classes - 1).bit_length()
    if not in_registers or block > _ROW[wide]:
        block = min(block, _BLOCK[wide])
    return block, min(max(block * wide.itemsize // 1024, 1), 16)


def _on_device_of(tensor: Tensor) -> AbstractContextManager[None]:
    """Make a tensor's GPU the current one, where Triton launches."""
    if tensor.is_cuda:
        return torch.cuda.device(tensor.device)
    return nullcontext()
