"""NKD as a module."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from ..functional.checks import check_not_negative
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class NKDLoss(TeacherLogitsLoss):
    r"""Distill by normalized knowledge distillation (NKD).

    See :func:`mmnkd.functional.nkd_loss` for the equation. The paper has
    :math:`\gamma` = 1.5 at :math:`\lambda` = 1 for CNNs on ImageNet, 1.0 at 1
    for DeiT, and 3.5 at 3 on CIFAR-100.

    Args:
        temperature: :math:`\lambda`, of the non-target classes.
        gamma: Weight of the non-target term.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def __init__(
        self, temperature: float = 1.0, gamma: float = 1.5, **kwargs: Any
    ) -> None:
        super().__init__(temperature, **kwargs)
        check_not_negative('gamma', gamma)
        self.gamma = gamma

    def rows(
        self, student: Tensor, teacher: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the two terms, logged as `target` and `nontarget`."""
        terms = F.nkd_terms(
            *self.prepare(student, teacher),
            target,
            temperature=self.temperature,
            gamma=self.gamma,
        )
        return dict(zip(('target', 'nontarget'), terms))
