"""Distillation losses as registered modules, shells around functional.py.

A loss says which outputs it needs: ``student_taps`` and ``teacher_taps`` each
name one output (``forward`` gets a tensor) or several (a tuple). An output is
``'logits'`` or a sub-module such as ``'backbone.layer4'``; ``teacher_taps`` is
None for a loss without a teacher, which then gets None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union

from mmengine.registry import MODELS
from torch import Tensor, nn

from . import functional as F
from .checks import check_not_negative, check_positive, check_reduction
from .taps import Taps

__all__ = ['DistillLoss', 'NKDLoss', 'TFNKDLoss']

TapNames = Union[str, Sequence[str]]


class DistillLoss(nn.Module):
    """Hold what every distillation loss has: a weight, a reduction, taps.

    A subclass has ``forward(student, teacher, target)`` and returns a tensor,
    or a dict of tensors to log them apart; all of them are summed.

    Args:
        loss_weight: Factor >= 0. At 0 the loss is not computed.
        reduction: 'none', 'mean' or 'sum' over the batch.
        student_taps: Output(s) of the student that the loss reads; None for
            those that the class names.
        teacher_taps: Output(s) of the teacher; likewise. A class whose own are
            None needs no teacher.

    Raises:
        TypeError: Taps that are no names.
        ValueError: The weight is negative, NaN or infinite, or the reduction
            is unknown.
    """

    student_taps: TapNames = 'logits'
    teacher_taps: Optional[TapNames] = 'logits'

    def __init__(
        self,
        *,
        loss_weight: float = 1.0,
        reduction: str = 'mean',
        student_taps: Optional[TapNames] = None,
        teacher_taps: Optional[TapNames] = None,
    ) -> None:
        super().__init__()
        check_not_negative('loss_weight', loss_weight)
        check_reduction(reduction)
        for names in (student_taps, teacher_taps):
            Taps(names)
        self.loss_weight = loss_weight
        self.reduction = reduction
        if student_taps is not None:
            self.student_taps = student_taps
        if teacher_taps is not None:
            self.teacher_taps = teacher_taps

    def extra_repr(self) -> str:
        """Show the settings of this loss."""
        shown = {k: v for k, v in vars(self).items() if k[0] != '_'}
        shown.pop('training')
        return ', '.join(f'{key}={value!r}' for key, value in shown.items())


@MODELS.register_module()
class NKDLoss(DistillLoss):
    r"""Distil by normalized knowledge distillation (NKD).

    See :func:`mmnkd.functional.nkd_loss` for the equation. The paper has
    :math:`\gamma` = 1.5 at :math:`\lambda` = 1 for CNNs on ImageNet, 1.0 at 1
    for DeiT, and 3.5 at 3 on CIFAR-100.

    Args:
        temperature: :math:`\lambda`, of the non-target classes.
        gamma: Weight of the non-target term.
        **kwargs: See :class:`DistillLoss`.
    """

    def __init__(
        self, temperature: float = 1.0, gamma: float = 1.5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_positive('temperature', temperature)
        check_not_negative('gamma', gamma)
        self.temperature = temperature
        self.gamma = gamma

    def forward(
        self, student: Tensor, teacher: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the two terms, logged as `target` and `nontarget`."""
        terms = F.nkd_terms(
            student,
            teacher,
            target,
            temperature=self.temperature,
            gamma=self.gamma,
        )
        return {
            name: self.loss_weight * F.reduce_loss(term, self.reduction)
            for name, term in zip(('target', 'nontarget'), terms)
        }


@MODELS.register_module()
class TFNKDLoss(DistillLoss):
    """Distil a student from itself: teacher-free NKD (tf-NKD).

    See :func:`mmnkd.functional.tf_nkd_loss` for the equation.

    Args:
        **kwargs: See :class:`DistillLoss`; there are no others.
    """

    teacher_taps = None

    def forward(
        self, student: Tensor, teacher: None, target: Tensor
    ) -> Tensor:
        """Return the loss; `teacher` is not used."""
        loss = F.tf_nkd_loss(student, target, reduction=self.reduction)
        return self.loss_weight * loss
