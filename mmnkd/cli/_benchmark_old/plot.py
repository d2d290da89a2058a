"""Plots of results: bars of ratios, or lines over a sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

from .results import Group, Result, Spread

__all__ = ['check_matplotlib', 'plot']

STYLES = ['-', '--', ':', '-.']
SETTINGS: Any = {
    'svg.fonttype': 'none',  # text stays text: a tenth of the size
    'svg.hashsalt': 'mmnkd',  # the same numbers, the same file
    'font.size': 9,
}


def check_matplotlib() -> None:
    """Check that there is matplotlib, before time is spent.

    Raises:
        ImportError: There is none.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            '--plot needs matplotlib: pip install "mmnkd[demo]"'
        ) from error


def plot(result: Result, path: Union[str, os.PathLike]) -> None:
    """Draw a result: lines where it is a sweep, else bars.

    Args:
        result: What was measured.
        path: The .png or .svg file to write.
    """
    check_matplotlib()
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    is_svg = Path(path).suffix == '.svg'
    with matplotlib.rc_context(SETTINGS):
        if result.settings.get('sweep'):
            figure = _lines(plt, result)
        else:
            figure = _bars(plt, result.groups)
        metadata = {'Date': None} if is_svg else {}
        figure.savefig(path, dpi=120, metadata=metadata)
        plt.close(figure)


def _lines(plt: Any, result: Result) -> Any:
    groups = result.groups
    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout='constrained')
    names = [row.name for row in groups[0].rows]
    sizes = [group.size for group in groups]
    for name, look in _looks(names).items():
        spreads = [
            Spread.of([1000 * s for s in group.row(name).seconds])
            for group in groups
        ]
        axes.plot(
            sizes, [s.middle for s in spreads], label=name, marker='.', **look
        )
        axes.fill_between(
            sizes,
            [s.low for s in spreads],
            [s.high for s in spreads],
            color=look['color'],
            alpha=0.12,
            linewidth=0,
        )
    axes.set(xscale='log', yscale='log', ylabel='ms')
    axes.set(xlabel=result.settings['sweep'].replace('-', ' '))
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc='outside right upper')
    return figure


def _looks(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Give what has a name before the comma in common one color."""
    families = list(dict.fromkeys(name.split(',')[0] for name in names))
    seen = dict.fromkeys(families, 0)
    looks = {}
    for name in names:
        family = name.split(',')[0]
        looks[name] = {
            'color': f'C{families.index(family) % 10}',
            'linestyle': STYLES[seen[family] % len(STYLES)],
        }
        seen[family] += 1
    return looks


def _bars(plt: Any, groups: Sequence[Group]) -> Any:
    height = sum(0.25 * len(group.rows) + 0.9 for group in groups)
    figure, all_axes = plt.subplots(
        len(groups),
        figsize=(7.5, height),
        layout='constrained',
        squeeze=False,
        height_ratios=[len(group.rows) + 3 for group in groups],
    )
    for axes, group in zip(all_axes[:, 0], groups):
        names = [row.name for row in group.rows]
        ratios = [group.ratio(row, group.baselines[0]) for row in group.rows]
        middles = [ratio.middle for ratio in ratios]
        errors = [
            [ratio.middle - ratio.low for ratio in ratios],
            [ratio.high - ratio.middle for ratio in ratios],
        ]
        axes.barh(names, middles, xerr=errors, ecolor='0.4', height=0.7)
        axes.axvline(1, color='0.3', linewidth=0.8)
        axes.invert_yaxis()
        axes.set(title=group.title, xlabel=f'time ÷ {group.baselines[0]}')
        axes.grid(axis='x', alpha=0.3)
    return figure
