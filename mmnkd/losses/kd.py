"""KD as a module."""

from __future__ import annotations

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class KDLoss(TeacherLogitsLoss):
    r"""Distill by the classic knowledge distillation (KD).

    See :func:`mmnkd.functional.kd_loss` for the equation. Its weight
    :math:`\alpha` is ``loss_weight``, and the :math:`1 - \alpha` of the
    student's own loss the model's ``student_loss_weight``. The NKD paper
    compares with :math:`\alpha` = 0.5 at :math:`\lambda` = 1 on ImageNet, and
    at 3 on CIFAR-100.

    Args:
        temperature: :math:`\lambda`.
        **kwargs: See :class:`TeacherLogitsLoss`.
    """

    def rows(self, student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample; `target` is not used."""
        return F.kd_loss(
            *self.prepare(student, teacher),
            temperature=self.temperature,
            reduction='none',
        )
