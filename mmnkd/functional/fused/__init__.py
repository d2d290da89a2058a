"""The fast form of the losses: value and closed-form gradient in one pass.

The plain forms, in the files beside this folder, are the reference, and are
used wherever these can't be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..checks import is_compiling
from . import cuda
from .function import LogProbs, Terms
from .spec import Spec

__all__ = ['LogProbs', 'Spec', 'Terms', 'can_fuse', 'plain_forms']

_plain: ContextVar[bool] = ContextVar('plain', default=False)


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """Compute losses in their plain form while the block runs.

    For comparisons: results are the same, but for rounding.

    Example:
        >>> import torch
        >>> from mmnkd.functional import kd_loss, plain_forms
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> with plain_forms():
        ...     loss = kd_loss(student, -student)
        >>> print(f'{loss:.4f} {kd_loss(student, -student):.4f}')
        1.1504 1.1504
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def can_fuse(*tensors: Tensor) -> bool:
    """Tell whether the fast form can be used now.

    Not under torch.compile, which fuses the plain form itself, torch.func,
    forward-mode automatic differentiation, a trace or another mode that sees
    each operation; nor for subclasses of Tensor, nor on devices other than
    CPUs and, with Triton, CUDA GPUs. Double backward and batched gradients
    are no reason: they are taken care of.
    """
    if is_compiling() or _plain.get():
        return False
    if (
        torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
    ):
        return False
    if forward_ad._current_level >= 0:
        return False
    device = tensors[0].device
    return all(
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device == device
        for tensor in tensors
    ) and (
        device.type == 'cpu'
        or (device.type == 'cuda' and cuda.is_available(device))
    )
