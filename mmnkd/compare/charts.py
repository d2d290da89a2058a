"""Charts as SVG that takes its colors and its font from the page around it.

Matplotlib draws with stand-in colors, which become variables of the page's
style. So a chart follows light and dark, and print.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional

from .summary import Band

__all__ = ['Line', 'lines', 'reliability']

COLORS = 7  # in the style; further names repeat them with other dashes
_DASHES = ['-', (0, (5, 2)), (0, (1, 1.5))]
_ROLES = {'muted': '#000101', 'grid': '#000102'}
_TEACHER_COLOR = '#0000ff'
_DRAWN: Any = {  # rcParams
    'svg.fonttype': 'none',
    'svg.hashsalt': 'mmnkd',
    'font.size': 10.5,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.spines.left': False,
    'axes.edgecolor': _ROLES['muted'],
    'axes.labelcolor': _ROLES['muted'],
    'axes.grid': True,
    'axes.grid.axis': 'y',
    'axes.axisbelow': True,
    'grid.color': _ROLES['grid'],
    'grid.linewidth': 0.8,
    'xtick.color': _ROLES['muted'],
    'ytick.color': _ROLES['muted'],
    'ytick.left': False,
    'lines.linewidth': 1.8,
    'lines.solid_capstyle': 'round',
}


@dataclass(frozen=True)
class Line:
    """Hold a line, with its standard deviation where it is a mean."""

    x: Sequence[float]
    y: Sequence[float]
    std: Optional[Sequence[float]] = None

    @classmethod
    def of(cls, band: Band, start: float = -1) -> Line:
        """Take a band from a step on."""
        kept = [i for i, step in enumerate(band.steps) if step >= start]
        x, y, std = (
            [values[i] for i in kept]
            for values in (band.steps, band.middle, band.std)
        )
        return cls(x, y, std if any(std) else None)


def lines(
    content: Mapping[str, Line],
    numbers: Mapping[str, int],
    *,
    title: str,
    x: str,
    size: tuple[float, float] = (5.0, 2.9),
    **axes_options: Any,
) -> str:
    """Draw lines with bands of one standard deviation.

    Args:
        content: A line for each name.
        numbers: The number of each name, which chooses its color.
        title: What the chart shows, for who can't see it.
        x: Label of the horizontal axis.
        size: (width, height) in inches of 72 px.
        **axes_options: Of ``Axes.set``, such as ``ylim`` and ``yscale``.

    Returns:
        An ``<svg>`` element.
    """
    with _figure(size) as (figure, axes):
        for name, line in content.items():
            style = _style(name, numbers)
            few = len(line.x) < 2
            axes.plot(line.x, line.y, marker='o' if few else None, **style)
            if line.std is not None:
                low = [y - s for y, s in zip(line.y, line.std)]
                high = [y + s for y, s in zip(line.y, line.std)]
                band = {'color': style['color'], 'alpha': 0.16, 'lw': 0}
                axes.fill_between(line.x, low, high, **band)
        axes.margins(x=0.01)
        axes.set(xlabel=x, **axes_options)
        axes.minorticks_off()
        return _svg(figure, title)


def reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    share: Sequence[float],
    name: str,
    numbers: Mapping[str, int],
) -> str:
    """Draw accuracy by confidence, with each bin's share of images below.

    The mean confidence of a bin that is empty is NaN.
    """
    title = f'Reliability of {name}: accuracy by confidence'
    with _figure((3.1, 2.9)) as (figure, axes):
        color = _style(name, numbers)['color']
        count = len(share)
        places = [(i + 0.5) / count for i in range(count)]
        width = 0.8 / count
        axes.bar(places, share, width=width, color=color, alpha=0.22, lw=0)
        axes.plot([0, 1], [0, 1], color=_ROLES['muted'], lw=1, ls=(0, (2, 2)))
        seen = [i for i, value in enumerate(confidence) if value == value]
        x, y = [confidence[i] for i in seen], [accuracy[i] for i in seen]
        axes.plot(x, y, color=color, lw=1, alpha=0.6)
        # Few images say little: a dot's area grows with its bin.
        areas = [6 + 150 * share[i] for i in seen]
        dots = {'color': color, 'linewidths': 0, 'zorder': 3}
        axes.scatter(x, y, areas, clip_on=False, **dots)
        ticks = [0, 0.5, 1]
        axes.set(xlabel='confidence', xlim=(0, 1), ylim=(0, 1.02))
        axes.set(xticks=ticks, yticks=ticks)
        return _svg(figure, title)


@contextmanager
def _figure(size: tuple[float, float]) -> Iterator[tuple[Any, Any]]:
    """Yield a figure of one chart, in the style of the page."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_DRAWN):
        figure = Figure(figsize=size, layout='constrained')
        yield figure, figure.subplots()


def _style(name: str, numbers: Mapping[str, int]) -> dict[str, Any]:
    if name not in numbers:  # the teacher
        return {'color': _TEACHER_COLOR, 'linestyle': (0, (3, 1.5))}
    turn, color = divmod(numbers[name], COLORS)
    dashes = _DASHES[turn % len(_DASHES)]
    return {'color': f'#00001{color}', 'linestyle': dashes}


def _svg(figure: Any, title: str) -> str:
    """Return the drawing as an element of a page."""
    file = io.StringIO()
    plain = {'transparent': True, 'metadata': {'Date': None}}
    figure.savefig(file, format='svg', **plain)
    text = file.getvalue()
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.DOTALL)
    text = re.sub(r'<!--.*?-->', '', text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', '', text)
    text = text.replace('xlink:href', 'href')
    text = _own_ids(text)
    label = f'<svg role="img" aria-label="{html.escape(title)}"'
    text = text.replace('<svg', label, 1)
    for role, color in _ROLES.items():
        text = text.replace(color, f'var(--{role})')
    text = text.replace(_TEACHER_COLOR, 'var(--teacher)')
    text = re.sub(r'#00001(\d)', r'var(--s\1)', text)
    return re.sub(r'\n\s*', '\n', text)


def _own_ids(text: str) -> str:
    """Keep the ids that are referred to, and make them the chart's own."""
    own = hashlib.sha256(text.encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))

    def renamed(match: re.Match) -> str:
        return f' id="{own}-{match[1]}"' if match[1] in used else ''

    text = re.sub(r' id="([^"]+)"', renamed, text)
    return re.sub(r'(href="#|url\(#)([^")]+)', rf'\g<1>{own}-\2', text)
