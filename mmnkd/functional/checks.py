"""Checks of tensors and numbers at the door: what was expected, what came."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

_INDICES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)

# Whether torch.compile is tracing what runs. Before torch 2.3 there is no
# public way to tell: there a loss breaks the graph.
is_compiling = getattr(torch.compiler, 'is_compiling', bool)


def check_logits(name: str, logits: Tensor) -> None:
    """Expect a dense (N, C) of a floating dtype, N >= 1 and C >= 2."""
    if not isinstance(logits, Tensor) or logits.layout != torch.strided:
        raise _not_dense(name, logits)
    if not logits.is_floating_point():
        raise TypeError(
            f'Expected `{name}` to have a floating dtype, but got '
            f'{logits.dtype}.'
        )
    shape = logits.shape
    if len(shape) != 2 or shape[0] < 1 or shape[1] < 2:
        raise ValueError(
            f'Expected `{name}` of shape (N, C) with at least one sample and '
            f'two classes, but got {tuple(shape)}.'
        )


def check_pair(
    logits_student: Tensor,
    logits_other: Tensor,
    other: str = 'logits_teacher',
) -> None:
    """Expect logits (N, C) of the student and of another, of one shape."""
    check_logits('logits_student', logits_student)
    check_logits(other, logits_other)
    if logits_student.shape != logits_other.shape:
        raise ValueError(
            f'Expected `logits_student` and `{other}` of one shape, but got '
            f'{tuple(logits_student.shape)} and {tuple(logits_other.shape)}.'
        )


def check_inputs(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float,
    **weights: float,
) -> None:
    """Expect what losses on logits and labels have in common."""
    check_pair(logits_student, logits_teacher)
    check_target(target, logits_student)
    check_positive('temperature', temperature)
    for name, weight in weights.items():
        check_not_negative(name, weight)


def check_target(target: Tensor, logits: Tensor) -> None:
    """Expect class indices (N,) or scores (N, C) for `logits` (N, C)."""
    if not isinstance(target, Tensor) or target.layout != torch.strided:
        raise _not_dense('target', target)
    if (
        target.ndim not in (1, 2)
        or target.shape != logits.shape[: target.ndim]
    ):
        raise ValueError(
            f'Expected `target` of shape {tuple(logits.shape[:1])} (class '
            f'indices) or {tuple(logits.shape)} (scores), but got '
            f'{tuple(target.shape)}.'
        )
    if target.dtype not in _INDICES and not (
        target.ndim == 2 and target.is_floating_point()
    ):
        raise TypeError(
            'Expected `target` to be class indices (N,) of dtype uint8 or '
            'int8 to int64, or scores (N, C) of one of these or a floating '
            f'dtype, but got shape {tuple(target.shape)} of {target.dtype}.'
        )
    # To read a value on a GPU is to wait for it; there, torch's own assert in
    # gather and scatter guards the range.
    if target.is_cpu and not is_compiling():
        _check_target_values(target, num_classes=logits.shape[1])


def _not_dense(name: str, value: object) -> TypeError:
    kind = type(value).__name__
    if isinstance(value, Tensor):
        kind = str(value.layout)
    return TypeError(
        f'Expected `{name}` to be a dense tensor, but got {kind}.'
    )


def _check_target_values(target: Tensor, num_classes: int) -> None:
    try:
        low, high = map(float, target.aminmax())
    except RuntimeError:  # torch.vmap hides the values
        return
    if target.ndim == 1:
        if low < 0 or high >= num_classes:
            raise ValueError(
                f'Expected class indices in [0, {num_classes - 1}] in '
                f'`target`, but got values from {low:.0f} to {high:.0f}.'
            )
        return
    if not (low >= 0 and high < float('inf')):
        raise ValueError(
            'Expected finite scores >= 0 in `target`, but got values from '
            f'{low} to {high}.'
        )
    low, high = map(float, target.sum(dim=1).aminmax())
    if not 0.99 < low <= high < 1.01:
        raise ValueError(
            'Expected each row of scores in `target` to sum to 1, the shares '
            f'of mixed labels, but got sums from {low} to {high}: samples '
            'without a label or with several whole ones.'
        )


def check_positive(name: str, value: float) -> None:
    """Expect a finite number > 0."""
    if not _is_number(value) or not 0 < value < float('inf'):
        raise _wrong_number(name, value, 'positive and finite')


def check_not_negative(name: str, value: float) -> None:
    """Expect a finite number >= 0."""
    if not _is_number(value) or not 0 <= value < float('inf'):
        raise _wrong_number(name, value, 'finite and at least 0')


def check_share(name: str, value: float) -> None:
    """Expect a number in [0, 1)."""
    if not _is_number(value) or not 0 <= value < 1:
        raise _wrong_number(name, value, 'at least 0 and less than 1')


def check_flag(name: str, value: bool) -> None:
    """Expect True or False; 'False' as a string would be true."""
    if not isinstance(value, bool):
        raise TypeError(
            f'Expected `{name}` to be True or False, but got {value!r}.'
        )


def check_count(name: str, value: Optional[int]) -> None:
    """Expect a positive int, or None."""
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(
            f'Expected `{name}` to be a positive int, or None to have it '
            f'measured, but got {value!r}.'
        )


def check_reduction(reduction: str) -> None:
    """Expect one of the three that torch has."""
    if reduction not in ('none', 'mean', 'sum'):
        raise ValueError(
            "Expected `reduction` to be 'none', 'mean' or 'sum', but got "
            f'{reduction!r}.'
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong_number(name: str, value: float, expected: str) -> Exception:
    if not _is_number(value):
        return TypeError(
            f'Expected `{name}` to be a number, but got {value!r}.'
        )
    return ValueError(f'Expected `{name}` to be {expected}, but got {value}.')
