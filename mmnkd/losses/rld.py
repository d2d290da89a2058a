"""RLD as a module."""

from __future__ import annotations

from typing import Any, Optional

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from ..functional.checks import check_not_negative, check_positive
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class RLDLoss(TeacherLogitsLoss):
    r"""Distill by refined logits (RLD).

    See :func:`mmnkd.functional.rld_loss` for the equation. Its authors have
    :math:`\alpha` = 1 with :math:`\beta` = 0.5 at :math:`\lambda` = 1 for
    ResNet-34 → ResNet-18, 2 at 1 for ResNet-50 → MobileNetV1, and 8 at 4 on
    CIFAR-100, where the weight grows over the first 20 epochs.

    Args:
        temperature: :math:`\lambda`.
        alpha: Weight of the first term.
        beta: Weight of the second term.
        alpha_temperature: :math:`\lambda_\alpha`; None for :math:`\lambda`.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def __init__(
        self,
        temperature: float,
        alpha: float,
        beta: float,
        alpha_temperature: Optional[float] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(temperature, **kwargs)
        check_not_negative('alpha', alpha)
        check_not_negative('beta', beta)
        if alpha_temperature is not None:
            check_positive('alpha_temperature', alpha_temperature)
        self.alpha = alpha
        self.beta = beta
        self.alpha_temperature = alpha_temperature

    def rows(
        self, student: Tensor, teacher: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the two terms, logged as `target` and `nontarget`."""
        terms = F.rld_terms(
            *self.prepare(student, teacher),
            target,
            temperature=self.temperature,
            alpha_temperature=self.alpha_temperature,
            alpha=self.alpha,
            beta=self.beta,
        )
        return dict(zip(('target', 'nontarget'), terms))
