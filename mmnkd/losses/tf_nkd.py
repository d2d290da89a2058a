"""tf-NKD as a module."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from ..functional.ranks import check_scope
from .base import DistillLoss


@MODELS.register_module()
class TFNKDLoss(DistillLoss):
    """Distill a student from itself: teacher-free NKD (tf-NKD).

    See :func:`mmnkd.functional.tf_nkd_loss` for the equation.

    Args:
        batch: What the batch mean is over under data parallelism: 'local' for
            the samples of each process, or 'global' for those of all, which
            then equals one process with the whole batch.
        **kwargs: See :class:`DistillLoss`.

    Raises:
        ValueError, TypeError: `batch` is neither, or as :class:`DistillLoss`.
    """

    teacher_taps = None

    def __init__(self, *, batch: str = 'local', **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_scope(batch)
        self.batch = batch

    def forward(
        self, student: Tensor, teacher: None, target: Tensor
    ) -> Tensor:
        """Return the loss; `teacher` is not used."""
        return self.loss_weight * F.tf_nkd_loss(
            student, target, batch=self.batch, reduction=self.reduction
        )
