"""DKD as a module."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from ..functional.checks import check_not_negative
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class DKDLoss(TeacherLogitsLoss):
    r"""Distill by decoupled knowledge distillation (DKD).

    See :func:`mmnkd.functional.dkd_loss` for the equation. The NKD paper
    compares with :math:`\beta` = 0.5 at :math:`\lambda` = 1 on ImageNet, and 8
    at 4 on CIFAR-100, where DKD's authors let the weight grow over the first
    20 epochs: ``weight_schedule=dict(type='LinearLR', start_factor=1 / 20,
    end=20)``.

    Args:
        temperature: :math:`\lambda`.
        alpha: Weight of the target term.
        beta: Weight of the non-target term.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def __init__(
        self,
        temperature: float = 4.0,
        alpha: float = 1.0,
        beta: float = 8.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(temperature, **kwargs)
        check_not_negative('alpha', alpha)
        check_not_negative('beta', beta)
        self.alpha = alpha
        self.beta = beta

    def rows(
        self, student: Tensor, teacher: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the two terms, logged as `target` and `nontarget`."""
        terms = F.dkd_terms(
            *self.prepare(student, teacher),
            target,
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
        )
        return dict(zip(('target', 'nontarget'), terms))
