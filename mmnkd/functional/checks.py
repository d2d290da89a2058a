"""Checks of tensors and numbers at the door: what was expected, what came."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor


def check_logits(name: str, logits: Tensor) -> None:
    """Expect (N, C) of a floating dtype, N >= 1 and C >= 2."""
    if not isinstance(logits, Tensor):
        raise TypeError(
            f'Expected `{name}` to be a tensor, but got '
            f'{type(logits).__name__}.'
        )
    if not logits.is_floating_point():
        raise TypeError(
            f'Expected `{name}` to have a floating dtype, but got '
            f'{logits.dtype}.'
        )
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise ValueError(
            f'Expected `{name}` of shape (N, C) with at least one sample and '
            f'two classes, but got {tuple(logits.shape)}.'
        )


def check_same_shape(**tensors: Tensor) -> None:
    """Expect one shape of two tensors, given by their names."""
    (first, a), (second, b) = tensors.items()
    if a.shape != b.shape:
        raise ValueError(
            f'Expected `{first}` and `{second}` of one shape, but got '
            f'{tuple(a.shape)} and {tuple(b.shape)}.'
        )


def check_pair(logits_student: Tensor, logits_teacher: Tensor) -> None:
    """Expect logits (N, C) of student and teacher, of one shape."""
    check_logits('logits_student', logits_student)
    check_logits('logits_teacher', logits_teacher)
    check_same_shape(
        logits_student=logits_student, logits_teacher=logits_teacher
    )


def check_target(target: Tensor, logits: Tensor) -> None:
    """Expect class indices (N,) or scores (N, C) for `logits` (N, C)."""
    if not isinstance(target, Tensor):
        raise TypeError(
            'Expected `target` to be a tensor, but got '
            f'{type(target).__name__}.'
        )
    expected = {1: logits.shape[:1], 2: logits.shape}.get(target.ndim)
    if target.shape != expected:
        raise ValueError(
            f'Expected `target` of shape {tuple(logits.shape[:1])} (class '
            f'indices) or {tuple(logits.shape)} (scores), but got '
            f'{tuple(target.shape)}.'
        )
    is_float = target.is_floating_point()
    if is_float != (target.ndim == 2) or target.dtype == torch.bool:
        raise TypeError(
            'Expected `target` to be class indices (N,) of an integer dtype '
            'or scores (N, C) of a floating dtype, but got shape '
            f'{tuple(target.shape)} of {target.dtype}.'
        )
    # To read a value on a GPU is to wait for it; there, torch's own assert in
    # gather and scatter guards the range.
    if target.is_cpu and not is_compiling():
        _check_target_values(target, num_classes=logits.shape[1])


def is_compiling() -> bool:
    """Tell whether torch.compile is tracing what runs."""
    if hasattr(torch.compiler, 'is_compiling'):
        return torch.compiler.is_compiling()
    return torch._dynamo.is_compiling()  # torch < 2.3


def _check_target_values(target: Tensor, num_classes: int) -> None:
    low, high = (value.item() for value in target.aminmax())
    if target.ndim == 1 and (low < 0 or high >= num_classes):
        raise ValueError(
            f'Expected class indices in [0, {num_classes - 1}] in `target`, '
            f'but got values from {low} to {high}.'
        )
    if target.ndim == 2 and not (low >= 0 and high < float('inf')):
        raise ValueError(
            'Expected finite scores >= 0 in `target`, but got values from '
            f'{low} to {high}.'
        )
    if target.ndim == 2:
        _check_row_sums(target.sum(dim=1))


def _check_row_sums(sums: Tensor) -> None:
    low, high = sums.min().item(), sums.max().item()
    if not 0.99 < low <= high < 1.01:
        raise ValueError(
            'Expected each row of scores in `target` to sum to 1, the shares '
            f'of mixed labels, but got sums from {low} to {high}: samples '
            'without a label or with several whole ones.'
        )


def check_positive(name: str, value: float) -> None:
    """Expect a finite number > 0."""
    _check_number(name, value)
    if not 0 < value < float('inf'):
        raise ValueError(
            f'Expected `{name}` to be positive and finite, but got {value}.'
        )


def check_not_negative(name: str, value: float) -> None:
    """Expect a finite number >= 0."""
    _check_number(name, value)
    if not 0 <= value < float('inf'):
        raise ValueError(
            f'Expected `{name}` to be finite and at least 0, but got {value}.'
        )


def check_share(name: str, value: float) -> None:
    """Expect a number in [0, 1)."""
    _check_number(name, value)
    if not 0 <= value < 1:
        raise ValueError(
            f'Expected `{name}` to be at least 0 and less than 1, but got '
            f'{value}.'
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


def _check_number(name: str, value: float) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(
            f'Expected `{name}` to be a number, but got {value!r}.'
        )
