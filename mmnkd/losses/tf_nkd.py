"""tf-NKD as a module."""

from __future__ import annotations

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from .base import DistillLoss

__all__ = ['TFNKDLoss']


@MODELS.register_module()
class TFNKDLoss(DistillLoss):
    """Distill a student from itself: teacher-free NKD (tf-NKD).

    See :func:`mmnkd.functional.tf_nkd_loss` for the equation. The arguments
    are those of :class:`DistillLoss`; there are no others.
    """

    teacher_taps = None

    def forward(
        self, student: Tensor, teacher: None, target: Tensor
    ) -> Tensor:
        """Return the loss; `teacher` is not used."""
        loss = F.tf_nkd_loss(student, target, reduction=self.reduction)
        return self.loss_weight * loss
