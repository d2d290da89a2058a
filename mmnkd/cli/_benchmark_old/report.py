"""Tables of results, in Markdown, and pages that hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .results import Group, Result, Row, Spread

__all__ = ['insert', 'table']


def table(result: Result) -> str:
    """Return the tables of a result, with hardware, versions and settings."""
    parts = [_group_table(group) for group in result.groups]
    return '\n\n'.join([*parts, _caption(result)])


def insert(page: Path, name: str, text: str) -> None:
    """Replace what is between the markers of `name` in a page.

    Args:
        page: A Markdown file.
        name: Of the markers ``<!-- begin: name -->`` and
            ``<!-- end: name -->``.
        text: What is to be there.

    Raises:
        ValueError: The page hasn't each of the two markers once, in order.
    """
    begin, end = f'<!-- begin: {name} -->', f'<!-- end: {name} -->'
    content = page.read_text()
    parts = re.split(f'({re.escape(begin)}|{re.escape(end)})', content)
    if parts[1::2] != [begin, end]:
        raise ValueError(
            f'Expected {begin} and then {end} in {page}, each once, but found '
            f'{parts[1::2] or "neither"}.'
        )
    parts[2] = f'\n\n{text}\n\n'
    page.write_text(''.join(parts))


def _group_table(group: Group) -> str:
    values = list(dict.fromkeys(k for row in group.rows for k in row.values))
    ratios = [f'÷ {baseline}' for baseline in group.baselines]
    header = [group.title, 'ms', '10-90 %', *ratios, *values]
    rows = [_cells(group, row, values) for row in group.rows]
    return _markdown([header, *rows])


def _cells(group: Group, row: Row, values: Sequence[str]) -> list[str]:
    spread = Spread.of([1000 * seconds for seconds in row.seconds])
    cells = [row.name, _number(spread.middle)]
    cells.append(f'{_number(spread.low)}-{_number(spread.high)}')
    for baseline in group.baselines:
        itself = row.name == baseline
        cells.append('1' if itself else _ratio(group.ratio(row, baseline)))
    for name in values:
        value = row.values.get(name)
        cells.append('' if value is None else _number(value))
    return cells


def _ratio(spread: Spread) -> str:
    """Write three decimals, which a cost of 1 % needs; large ones fewer."""
    decimals = 3 if spread.middle < 3 else 1
    low, middle, high = (
        f'{value:.{decimals}f}'
        for value in (spread.low, spread.middle, spread.high)
    )
    return f'{middle} ({low}-{high})'


def _number(value: float) -> str:
    """Write three digits, and no power of ten where there's no need."""
    size = abs(value)
    if size >= 100:
        return f'{value:.0f}'
    if size >= 10:
        return f'{value:.1f}'
    if size >= 0.1:
        return f'{value:.2f}'
    if size >= 0.001:
        return f'{value:.4f}'
    return f'{value:.1e}' if value else '0'


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """Align the columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = [
        '-' * widths[0],
        *('-' * (width - 1) + ':' for width in widths[1:]),
    ]
    lines = [
        [row[0].ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        for row in (rows[0], rule, *rows[1:])
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _caption(result: Result) -> str:
    """Say where, with what and how often it was measured."""
    facts, settings = result.environment, result.settings
    where = f'{facts["cpu"]}, {facts["threads"]} of {facts["cores"]} cores'
    if 'gpu' in facts:
        where = f'{facts["gpu"]}; {where}'
    versions = [
        f'{name} {facts[name]}'
        for name in ('python', 'torch', 'mmpretrain', 'timm', 'mmnkd')
        if name in facts
    ]
    if 'commit' in facts:
        versions.append(f'commit {facts["commit"]}')
    return (
        f'On {where}, in {settings.get("dtype", "float32")}; '
        f'{", ".join(versions)}; {settings["rounds"]} rounds after '
        f'{settings["warmup"]} for warm-up.'
    )
