"""Whether a teacher's classes are those of the data, by name and number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .finding import Finding, error, warning

__all__ = ['compare_classes']


def compare_classes(
    teacher: Sequence[str],
    data: Sequence[str],
    who: str = 'the teacher',
    indices: Optional[Sequence[int]] = None,
) -> list[Finding]:
    """Compare names of classes, position by position.

    Args:
        teacher: The names of a teacher's classes.
        data: The names of the data set's.
        who: The teacher, for the message.
        indices: Which of the teacher's are compared, None for all.

    Returns:
        ``class-order``, ``class-count`` (errors), ``class-names`` (a warning)
        or nothing.
    """
    known, data = [*map(str, teacher)], [*map(str, data)]
    names = known if indices is None else [known[i] for i in indices]
    if names == data:
        return []
    fix = _fix(known, data)
    if len(names) != len(data):
        message = (
            f'Expected the {len(data)} classes of the data set from {who}, '
            f'but it has {len(names)}.'
        )
        return error('class-count', message, fix)
    moved = [i for i, name in enumerate(data) if name != names[i]]
    place = moved[0]
    first = f'class {place} is {names[place]!r} instead of {data[place]!r}'
    if sorted(names) == sorted(data):
        message = (
            f'Expected the classes of {who} in the order of the data set, '
            f'but {len(moved)} of {len(data)} are elsewhere: {first}.'
        )
        return error('class-order', message, fix)
    message = (
        f'Expected the classes of {who} to have the names of the data set, '
        f'but {len(moved)} of {len(data)} have others: {first}.'
    )
    fix = f'If they mean the same, ignore this. Else: {fix}'
    return warning('class-names', message, fix)


def _fix(known: list[str], data: list[str]) -> str:
    """Return the indices that fit, if names tell and they fit into a line."""
    if known == data:
        return 'Leave out `teacher.class_indices`.'
    unique = len(set(known)) == len(known)
    if unique and set(data) <= set(known) and len(data) <= 20:
        return f'Set `teacher.class_indices={[*map(known.index, data)]}`.'
    return (
        "Set `teacher.class_indices` to the index of each of the data set's "
        "classes among the teacher's."
    )
