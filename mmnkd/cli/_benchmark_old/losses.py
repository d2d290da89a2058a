"""Compare the losses on logits: forward and backward."""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import functional
from .measure import Function, Plan, alternate, peak_memory
from .released import released_nkd_loss
from .results import Group, Row

__all__ = ['MEMORY', 'check_dtype', 'measure_losses']

CROSS_ENTROPY = 'cross-entropy'
NKD = 'NKD'
READ_WRITE = 'read two, write one'
MEMORY = 'extra memory (N·C float32)'

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def measure_losses(
    classes: int, batch: int, dtype: torch.dtype, plan: Plan
) -> Group:
    """Time each loss with its backward pass, and measure its memory.

    Args:
        classes: Number of classes.
        batch: Number of samples.
        dtype: Of the logits.
        plan: How to measure.

    Returns:
        A row for each loss, fused and plain, for cross-entropy, for NKD as
        released, and for reading two matrices of logits and writing one: no
        loss with a teacher can be faster.
    """
    student, teacher, target = _inputs(classes, batch, dtype, plan.device)
    functions: dict[str, Function] = {
        name: _forward_and_backward(loss, student, teacher, target)
        for name, loss in _losses().items()
    }
    functions[READ_WRITE] = _read_two_write_one(student, teacher)
    seconds = alternate(functions, plan)
    gradient = student.numel() * student.element_size()
    rows = []
    for name, function in functions.items():
        row = Row(name, seconds[name])
        if name != READ_WRITE:
            extra = peak_memory(function, plan.device) - gradient
            row.values[MEMORY] = extra / (4 * student.numel())
        rows.append(row)
    title = f'{batch} x {classes} logits'
    return Group(title, [CROSS_ENTROPY, NKD, READ_WRITE], rows)


def check_dtype(dtype: torch.dtype, device: torch.device) -> None:
    """Check that cross-entropy, which all is compared with, has the dtype.

    Raises:
        ValueError: It hasn't.
    """
    logits = torch.zeros(2, 3, dtype=dtype, device=device, requires_grad=True)
    target = torch.zeros(2, dtype=torch.long, device=device)
    try:
        F.cross_entropy(logits, target).backward()
    except RuntimeError as error:
        raise ValueError(
            f'torch {torch.__version__} has no cross-entropy of {dtype} on '
            f'{device.type}. Take another --dtype.'
        ) from error


def _losses() -> dict[str, Loss]:
    with_settings_of_their_own: dict[str, Loss] = {
        NKD: functional.nkd_loss,
        'tf-NKD': lambda s, t, y: functional.tf_nkd_loss(s, y),
        'KD': lambda s, t, y: functional.kd_loss(s, t),
        'DKD': functional.dkd_loss,
    }
    losses: dict[str, Loss] = {
        CROSS_ENTROPY: lambda s, t, y: F.cross_entropy(s, y)
    }
    for name, loss in with_settings_of_their_own.items():
        losses[name] = loss
        losses[f'{name}, plain'] = _plain(loss)
        if name == NKD:
            losses[f'{name}, as released'] = released_nkd_loss
    return losses


def _plain(loss: Loss) -> Loss:
    def plain(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        with functional.plain_forms():
            return loss(student, teacher, target)

    return plain


def _forward_and_backward(
    loss: Loss, student: Tensor, teacher: Tensor, target: Tensor
) -> Function:
    def run() -> None:
        torch.autograd.grad(loss(student, teacher, target), student)

    return run


def _read_two_write_one(student: Tensor, teacher: Tensor) -> Function:
    first, out = student.detach(), torch.empty_like(teacher)
    return lambda: torch.add(first, teacher, out=out)


def _inputs(
    classes: int, batch: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    student, teacher = 2 * torch.randn(2, batch, classes, generator=generator)
    target = torch.randint(classes, (batch,), generator=generator)
    student = student.to(device, dtype, copy=True).requires_grad_()
    return student, teacher.to(device, dtype, copy=True), target.to(device)
