"""What losses have in common: weights, taps, channels.

A loss says which outputs it needs: ``student_taps`` and ``teacher_taps`` each
name one output (``forward`` gets a tensor) or several (a tuple). An output is
``'logits'``, what a sub-module such as ``'backbone.layer4'`` puts out, or the
value of a parameter such as ``'head.fc.weight'``; ``teacher_taps`` is None for
a loss without a teacher, which then gets None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Union

from torch import Tensor, nn

from ..functional import reduce_loss
from ..functional.checks import (
    check_count,
    check_not_negative,
    check_reduction,
)
from ..taps import TapNames, tap_names
from .features import as_map, channels_of, check_declared
from .schedule import Schedule, WeightSchedule


class DistillLoss(nn.Module):
    """Hold what every distillation loss has: a weight, a reduction, taps.

    A subclass has ``forward(student, teacher, target)`` and returns a tensor,
    or a dict of tensors to log them apart; all of them are summed.

    Args:
        loss_weight: Factor >= 0. At 0 the loss is left out for good; what
            changes over time is `weight_schedule`.
        weight_schedule: Another factor, over epochs or iterations: one
            scheduler or a list of them, written as in ``param_scheduler``
            (``dict(type='LinearLR', start_factor=0.05, end=20)``). It starts
            at 1 where a scheduler doesn't say otherwise, and is logged.
        reduction: 'none', 'mean' or 'sum' over the batch.
        student_taps: Output(s) of the student that the loss reads; None for
            those that the class names.
        teacher_taps: Output(s) of the teacher; likewise. A class whose own are
            None needs no teacher.

    Attributes:
        logged: What a forward logs beside the loss, by names without 'loss'
            in them; not summed.

    Raises:
        TypeError: Taps that are no names.
        ValueError: The weight is negative, NaN or infinite, the reduction is
            unknown, or the schedule can't be built.
    """

    student_taps: Union[str, Sequence[str]] = 'logits'
    teacher_taps: TapNames = 'logits'

    def __init__(
        self,
        *,
        loss_weight: float = 1.0,
        weight_schedule: Schedule = None,
        reduction: str = 'mean',
        student_taps: TapNames = None,
        teacher_taps: TapNames = None,
    ) -> None:
        super().__init__()
        check_not_negative('loss_weight', loss_weight)
        check_reduction(reduction)
        for names in (student_taps, teacher_taps):
            tap_names(names)
        self.loss_weight = loss_weight
        self.weight_schedule = WeightSchedule.of(weight_schedule)
        self.reduction = reduction
        self.logged: dict[str, Tensor] = {}
        if student_taps is not None:
            self.student_taps = student_taps
        if teacher_taps is not None:
            self.teacher_taps = teacher_taps

    def reduce(self, per_sample: Tensor) -> Tensor:
        """Reduce (N,) losses as `reduction` says."""
        return reduce_loss(per_sample, self.reduction)

    def weighted(
        self, terms: Union[Mapping[str, Tensor], Iterable[tuple[str, Tensor]]]
    ) -> dict[str, Tensor]:
        """Reduce and weight (N,) terms, to be logged apart."""
        return {
            name: self.loss_weight * reduce_loss(term, self.reduction)
            for name, term in dict(terms).items()
        }

    def extra_repr(self) -> str:
        """Show the settings of this loss."""
        shown = {k: v for k, v in vars(self).items() if k[0] != '_'}
        for state in ('training', 'logged'):
            shown.pop(state)
        if self.weight_schedule is None:
            shown.pop('weight_schedule')
        return ', '.join(f'{key}={value!r}' for key, value in shown.items())


class MeasuredLoss(DistillLoss):
    """Make parameters whose sizes are those of what the taps put out.

    A subclass makes them in :meth:`build`, which is called when the sizes are
    known: where all are given, by the constructor of this class (what else
    ``build`` reads is set before that), else after a forward of the networks
    on one blank image.

    Args:
        sizes: Sizes by name, each a count or None to measure; they become
            attributes.
        **kwargs: See :class:`DistillLoss`.

    Raises:
        ValueError, TypeError: Sizes that aren't counts, or as
            :class:`DistillLoss`.
    """

    def __init__(
        self, sizes: Mapping[str, Optional[int]], /, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._sizes = tuple(sizes)
        for name, size in sizes.items():
            check_count(name, size)
            setattr(self, name, size)
        if not self.unknown_sizes:
            self.build()

    @property
    def unknown_sizes(self) -> list[str]:
        """Return the names of sizes that are still to be measured."""
        return [name for name in self._sizes if getattr(self, name) is None]

    def measure(self, student: Any, teacher: Any) -> None:
        """Read the sizes off the outputs of a dry run, and build.

        Args:
            student: What :meth:`forward` will get, of one image.
            teacher: Likewise.
        """
        sizes = self.sizes(student, teacher)
        for name in self.unknown_sizes:
            setattr(self, name, sizes[name])
        self.build()

    def sizes(self, student: Any, teacher: Any) -> dict[str, int]:
        """Return the sizes by name, see :meth:`measure`."""
        raise NotImplementedError

    def build(self) -> None:
        """Make the parameters."""
        raise NotImplementedError


class FeatureLoss(MeasuredLoss):
    """Compare features of the student, projected, with the teacher's.

    A subclass makes its parameters in :meth:`build`.

    Args:
        student_taps: The student's sub-module(s) to read; None for those that
            the class names.
        teacher_taps: The teacher's.
        student_channels: Channels of the student's features (of several, the
            first); None to measure.
        teacher_channels: Channels of the teacher's.
        **kwargs: See :class:`DistillLoss`.

    Raises:
        ValueError, TypeError: As :class:`MeasuredLoss`.
    """

    student_channels: int
    teacher_channels: int

    def __init__(
        self,
        *,
        student_taps: TapNames = None,
        teacher_taps: TapNames = None,
        student_channels: Optional[int] = None,
        teacher_channels: Optional[int] = None,
        **kwargs: Any,
    ) -> None:
        taps = (
            student_taps or self.student_taps,
            teacher_taps or self.teacher_taps,
        )
        if 'logits' in taps:  # what a class has that names none
            raise ValueError(
                'Expected `student_taps` and `teacher_taps` of '
                f'{type(self).__name__} to name the features that it compares '
                f"(student_taps='backbone.layer4', ...), but got {taps[0]!r} "
                f'and {taps[1]!r}.'
            )
        super().__init__(
            {
                'student_channels': student_channels,
                'teacher_channels': teacher_channels,
            },
            student_taps=student_taps,
            teacher_taps=teacher_taps,
            **kwargs,
        )

    def sizes(self, student: Any, teacher: Any) -> dict[str, int]:
        """Return the channels of both."""
        if not isinstance(self.student_taps, str):
            student = student[0]
        if not isinstance(self.teacher_taps, str):
            teacher = teacher[0]
        return {
            'student_channels': channels_of(student),
            'teacher_channels': channels_of(teacher),
        }

    def maps(self, student: Any, teacher: Any) -> tuple[Tensor, Tensor]:
        """Return the features as maps (N, C, H, W) of the known channels."""
        student_map = as_map(student, self.student_channels)
        teacher_map = as_map(teacher, self.teacher_channels)
        check_declared('student_channels', self.student_channels, student_map)
        check_declared('teacher_channels', self.teacher_channels, teacher_map)
        return student_map, teacher_map
