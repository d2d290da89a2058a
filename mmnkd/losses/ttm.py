"""TTM and WTTM as modules."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class TTMLoss(TeacherLogitsLoss):
    r"""Distill by transformed teacher matching (TTM).

    See :func:`mmnkd.functional.ttm_loss` for the equation. Its authors have
    :math:`\lambda` = 10 with a ``loss_weight`` of 100 for ResNet-32x4 →
    ResNet-8x4 on CIFAR-100.

    Args:
        temperature: :math:`\lambda`, of the teacher alone.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def __init__(self, temperature: float, **kwargs: Any) -> None:
        super().__init__(temperature, **kwargs)

    def rows(self, student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample; `target` is not used."""
        return F.ttm_loss(
            *self.prepare(student, teacher),
            temperature=self.temperature,
            reduction='none',
        )


@MODELS.register_module()
class WTTMLoss(TeacherLogitsLoss):
    r"""Distill by weighted transformed teacher matching (WTTM).

    See :func:`mmnkd.functional.wttm_loss` for the equation. Its authors have
    :math:`\lambda` = 1.25 with a ``loss_weight`` of 1.6 for ResNet-34 →
    ResNet-18, and 1 / 0.7 with 3.5 for ResNet-50 → MobileNet.

    Args:
        temperature: :math:`\lambda`, of the teacher alone.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def __init__(self, temperature: float, **kwargs: Any) -> None:
        super().__init__(temperature, **kwargs)

    def rows(self, student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample; `target` is not used."""
        return F.wttm_loss(
            *self.prepare(student, teacher),
            temperature=self.temperature,
            reduction='none',
        )
