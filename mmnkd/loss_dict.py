"""Several distillation losses as one: what they read, what they log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from mmengine.model import ModuleDict
from mmengine.registry import MODELS
from torch import Tensor, nn

from .taps import Taps

__all__ = ['LossDict']


class LossDict(ModuleDict):
    """Hold distillation losses by name.

    A loss is any module with ``forward(student, teacher, target)``; its
    ``student_taps`` and ``teacher_taps`` say what it reads (``'logits'`` where
    it doesn't say), and at a ``loss_weight`` of 0 it is left out.

    Args:
        losses: Modules or their configs by name.
    """

    def __init__(self, losses: Mapping[str, Any]) -> None:
        if 'cls' in losses:
            raise ValueError(
                "Expected names of distill_losses other than 'cls', which is "
                "that of the student's own loss in the log (`loss_cls`)."
            )
        super().__init__(
            {
                name: loss
                if isinstance(loss, nn.Module)
                else MODELS.build(loss)
                for name, loss in losses.items()
            }
        )

    def active(self) -> dict[str, nn.Module]:
        """Return the losses whose weight isn't 0."""
        return {
            name: loss
            for name, loss in self.items()
            if getattr(loss, 'loss_weight', 1.0) != 0
        }

    def student_names(self, losses: Mapping[str, nn.Module]) -> set[str]:
        """Return all that `losses` read from the student."""
        return {n for loss in losses.values() for n in _student(loss).names}

    def teacher_names(self, losses: Mapping[str, nn.Module]) -> set[str]:
        """Return all that `losses` read from the teacher."""
        return {n for loss in losses.values() for n in _teacher(loss).names}

    def forward(
        self,
        student: Mapping[str, Any],
        teacher: Mapping[str, Any],
        target: Optional[Tensor],
    ) -> dict[str, Tensor]:
        """Compute the active losses.

        Args:
            student: The student's outputs by tap.
            teacher: The teacher's.
            target: (N,) class indices or (N, C) scores, None without labels.

        Returns:
            ``loss_{name}``, or ``loss_{name}_{term}`` for a dict of terms.
        """
        results: dict[str, Tensor] = {}
        for name, loss in self.active().items():
            result = loss(
                _student(loss).pick(student),
                _teacher(loss).pick(teacher),
                target,
            )
            if isinstance(result, Tensor):
                results[f'loss_{name}'] = result
            else:
                for term, value in result.items():
                    results[f'loss_{name}_{term}'] = value
        return results


def _student(loss: nn.Module) -> Taps:
    return Taps(getattr(loss, 'student_taps', 'logits'))


def _teacher(loss: nn.Module) -> Taps:
    return Taps(getattr(loss, 'teacher_taps', 'logits'))
