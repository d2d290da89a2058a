"""Several teachers that teach together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..cache import CachedTeacher
from ..functional.checks import check_positive
from ..functional.tensors import at_least_float32
from ..registry import construct
from .recipe import FrozenTeacher


class TeacherEnsemble:
    r"""Look at the student's images with several teachers.

    The logits are :math:`\log \sum_k w_k T_k`, of the weighted mean of the
    teachers' probabilities at temperature 1. Other outputs, and the logits of
    one teacher, are named with the teacher's number in front, as in
    ``'0.backbone.layer4'`` and ``'1.logits'``.

    Args:
        teachers: Arguments of each :class:`FrozenTeacher` or
            :class:`CachedTeacher`, and a ``weight`` (1 if there is none);
            weights are divided by their sum.

    Raises:
        TypeError, ValueError: A weight isn't positive, there is no teacher, or
            as :class:`FrozenTeacher`.
    """

    def __init__(self, teachers: Sequence[Mapping[str, Any]]) -> None:
        if (
            not isinstance(teachers, (list, tuple))
            or not teachers
            or not all(isinstance(teacher, Mapping) for teacher in teachers)
        ):
            raise TypeError(
                'Expected `teacher` to be a dict(model=..., checkpoint=...) '
                f'or a list of them, but got {teachers!r}.'
            )
        self.is_built = False
        self.weights = []
        self.teachers = []
        for number, teacher in enumerate(teachers):
            place = f'teacher[{number}]'
            arguments = dict(teacher)
            weight = arguments.pop('weight', 1.0)
            check_positive(f'{place}.weight', weight)
            self.weights.append(weight)
            self.teachers.append(make_teacher(arguments, place))

    def __deepcopy__(self, memo: dict) -> TeacherEnsemble:
        return self  # as one teacher does

    def __getstate__(self) -> dict:
        return {**vars(self), 'is_built': False}

    def build(
        self,
        student_preprocessor: nn.Module,
        taps: Collection[str] = ('logits',),
    ) -> None:
        """Build the teachers that `taps` ask for."""
        # In one order on all processes, which compare each teacher's weights.
        for number, names in sorted(self._split(taps).items()):
            self.teachers[number].build(student_preprocessor, names)
        self.is_built = True

    def untrained(
        self, student_preprocessor: nn.Module, taps: Collection[str]
    ) -> Callable[[Tensor, Collection[str]], dict[str, Any]]:
        """Return untrained teachers, see :meth:`FrozenTeacher.untrained`."""
        built = {
            number: self.teachers[number].untrained(
                student_preprocessor, names
            )
            for number, names in self._split(taps).items()
        }
        return partial(self._answers, built)

    def __call__(
        self,
        images: Tensor,
        taps: Collection[str] = ('logits',),
        samples: Optional[Sequence[Any]] = None,
    ) -> dict[str, Any]:
        """Answer for the student's images, see :class:`Teacher`.

        `samples` are for stored teachers.
        """
        asked = {
            number: partial(teacher, samples=samples)
            for number, teacher in enumerate(self.teachers)
        }
        return self._answers(asked, images, taps)

    def _answers(
        self,
        teachers: Mapping[int, Callable],
        images: Tensor,
        taps: Collection[str],
    ) -> dict[str, Any]:
        outputs = {
            number: teachers[number](images, names)
            for number, names in self._split(taps).items()
        }
        joined = {}
        for tap in taps:
            parts = [outputs[k][name] for k, name in self._owners(tap)]
            joined[tap] = self._mean(parts) if tap == 'logits' else parts[0]
        return joined

    def _split(self, taps: Collection[str]) -> dict[int, set[str]]:
        """Return what is asked of which teacher."""
        split: dict[int, set[str]] = {}
        for tap in taps:
            for number, name in self._owners(tap):
                split.setdefault(number, set()).add(name)
        return split

    def _owners(self, tap: str) -> list[tuple[int, str]]:
        """Return the teachers that a tap asks, and what it asks of them."""
        if tap == 'logits':
            return [(number, tap) for number in range(len(self.teachers))]
        number, _, name = tap.partition('.')
        if not number.isdigit() or int(number) >= len(self.teachers):
            name = ''
        if not name:
            raise ValueError(
                'Expected a tap of several teachers to have the number of '
                f'one in front, 0 to {len(self.teachers) - 1} here, as in '
                f"'0.backbone.layer4', but got {tap!r}."
            )
        return [(int(number), name)]

    def _mean(self, logits: list[Tensor]) -> Tensor:
        shapes = {tuple(x.shape) for x in logits}
        if len(shapes) > 1:
            raise ValueError(
                'Expected the teachers to have the same classes, but got '
                f'logits of shapes {sorted(shapes)}. Say for each which of '
                "its classes are the student's: "
                'teacher=[dict(class_indices=[...]), ...].'
            )
        total = sum(self.weights)
        weighted = [
            at_least_float32(x).log_softmax(dim=1) + math.log(weight / total)
            for weight, x in zip(self.weights, logits)
        ]
        return torch.stack(weighted).logsumexp(dim=0)


def make_teacher(arguments: Any, place: str = 'teacher') -> Any:
    """Return a live teacher, with a `cache` a stored one, of a list several.

    Args:
        arguments: Of the teacher, or a list of them.
        place: Where they are in the config, for errors.
    """
    if not isinstance(arguments, Mapping):
        return TeacherEnsemble(arguments)
    kind = CachedTeacher if 'cache' in arguments else FrozenTeacher
    return construct(kind, place, arguments)
