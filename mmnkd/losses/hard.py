"""Hard-label distillation as a module."""

from __future__ import annotations

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from .logits import RowLoss


@MODELS.register_module()
class HardLabelLoss(RowLoss):
    """Learn the class that the teacher ranks first.

    See :func:`mmnkd.functional.hard_loss` for the equation. DeiT has a
    ``loss_weight`` of 0.5, and 0.5 on the student's own loss
    (``student_loss_weight``).

    Args:
        **kwargs: See :class:`RowLoss`.
    """

    def rows(self, student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample; `target` is not used."""
        return F.hard_loss(student, teacher, reduction='none')
