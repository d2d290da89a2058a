"""Values as the source of a config, written as a person would."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

__all__ = ['Commented', 'Source', 'assignments', 'comment', 'source']

WIDTH = 79


class Source(str):
    """Hold text that is source already, such as ``_base_.train_pipeline``."""


class Commented(NamedTuple):
    """Hold a value of a dict, and the comment before it."""

    text: str
    value: Any


def source(value: Any, indent: int = 0, used: int = 0) -> str:
    """Return Python source of a value: ``dict(a=1)``, broken where it is long.

    Args:
        value: Of dicts, lists and plain values.
        indent: Of the line that it begins in.
        used: Columns of that line that are taken.
    """
    short = _flat(value)
    fits = used + len(short) < WIDTH and _is_line(short)
    if fits or not isinstance(value, (Mapping, list)):
        return short
    if isinstance(value, list):
        first, *others = [('', entry) for entry in value]
        lines = _packed([first], indent + 4) + _packed(others, indent + 4)
        return '[' + '\n'.join(lines).strip()[:-1] + ']'
    if len(value) == 1:  # dict(a=dict( in one line
        ((key, entry),) = value.items()
        if isinstance(entry, Mapping):
            return f'dict({key}={source(entry, indent, WIDTH)})'
    entries = [(f'{key}=', entry) for key, entry in value.items()]
    return '\n'.join(['dict(', *_packed(entries, indent + 4)])[:-1] + ')'


def assignments(keys: Mapping[str, Any]) -> list[str]:
    """Return an assignment for each key; equal neighbors share one."""
    lines = []
    for value, same in groupby(keys.items(), key=itemgetter(1)):
        name = ' = '.join(key for key, _ in same)
        lines.append(f'{name} = {source(value, 0, len(name) + 3)}')
    return lines


def comment(text: str, indent: int = 0) -> str:
    """Return a comment, in as many lines as it needs."""
    mark = ' ' * indent + '# '
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=mark,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _packed(entries: list[tuple[str, Any]], indent: int) -> list[str]:
    """Return lines with entries after their names, short ones side by side."""
    lines: list[str] = []
    is_open = False  # whether the last line may get another entry
    for name, entry in entries:
        if isinstance(entry, Commented):
            lines.append(comment(entry.text, indent))
            entry, is_open = entry.value, False
        text = name + source(entry, indent, indent + len(name) + 1) + ','
        if is_open and len(lines[-1]) + len(text) < WIDTH and _is_line(text):
            lines[-1] += f' {text}'
            continue
        lines.append(' ' * indent + text)
        is_open = _is_line(text)
    return lines


def _is_line(text: str) -> bool:
    return '\n' not in text


def _flat(value: Any) -> str:
    if isinstance(value, Source):
        return str(value)
    if isinstance(value, Commented):
        return '\n'  # needs lines of its own
    if isinstance(value, Mapping):
        if not all(str(key).isidentifier() for key in value):
            pairs = (f'{key!r}: {_flat(x)}' for key, x in value.items())
            return f'{{{", ".join(pairs)}}}'
        pairs = (f'{key}={_flat(entry)}' for key, entry in value.items())
        return f'dict({", ".join(pairs)})'
    if isinstance(value, list):
        return f'[{", ".join(map(_flat, value))}]'
    return repr(value)
