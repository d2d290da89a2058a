"""Whether a teacher's classes are those of the data, by name and number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .finding import Finding

__all__ = ['compare_classes']

_INDICES_FIX = (
    "Set `teacher.class_indices` to the index of each of the data set's "
    "classes among the teacher's."
)


def compare_classes(
    teacher: Sequence[str], data: Sequence[str], who: str = 'the teacher'
) -> list[Finding]:
    """Compare names of classes, position by position.

    Args:
        teacher: The names of a teacher's classes, those that are compared.
        data: The names of the data set's.
        who: The teacher, for the message.

    Returns:
        ``class-order``, ``class-count`` (errors), ``class-names`` (a warning)
        or nothing.
    """
    teacher, data = [*map(str, teacher)], [*map(str, data)]
    if teacher == data:
        return []
    if len(teacher) != len(data):
        message = (
            f'Expected {who} to have the classes of the data set, which are '
            f'{len(data)}, but it has {len(teacher)}.'
        )
        return [Finding('class-count', 'error', message, _INDICES_FIX)]
    place = next(i for i, name in enumerate(data) if name != teacher[i])
    first = f'class {place} is {teacher[place]!r} instead of {data[place]!r}'
    if sorted(teacher) == sorted(data):
        moved = sum(a != b for a, b in zip(teacher, data))
        message = (
            f'Expected the classes of {who} in the order of the data set, '
            f'but {moved} of {len(data)} are elsewhere: {first}.'
        )
        indices: Optional[list[int]] = [*map(teacher.index, data)]
        if len(set(teacher)) < len(teacher) or len(data) > 20:
            indices = None
        fix = (
            f'Set `teacher.class_indices={indices}`.'
            if indices
            else _INDICES_FIX
        )
        return [Finding('class-order', 'error', message, fix)]
    other = len(set(data) - set(teacher))
    message = (
        f'Expected the classes of {who} to have the names of the data set, '
        f'but {other} of {len(data)} have not: {first}.'
    )
    fix = f'If they mean the same, ignore this. Else: {_INDICES_FIX}'
    return [Finding('class-names', 'warning', message, fix)]
