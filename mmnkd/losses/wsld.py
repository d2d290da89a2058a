"""WSLD as a module."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class WSLDLoss(TeacherLogitsLoss):
    r"""Distill by weighted soft labels (WSLD).

    See :func:`mmnkd.functional.wsld_loss` for the equation. The NKD paper
    compares with a ``loss_weight`` of 2.5 at :math:`\lambda` = 2 on ImageNet,
    and of 2.25 at 4 on CIFAR-100.

    Args:
        temperature: :math:`\lambda`.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def __init__(self, temperature: float = 2.0, **kwargs: Any) -> None:
        super().__init__(temperature, **kwargs)

    def rows(self, student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample."""
        return F.wsld_loss(
            *self.prepare(student, teacher),
            target,
            temperature=self.temperature,
            reduction='none',
        )
