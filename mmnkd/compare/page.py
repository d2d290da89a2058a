"""The page of a comparison: what its template shows, section by section."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from .. import __version__
from . import drawings
from .analysis import EXTREMES, TEACHER
from .comparison import Comparison
from .statistics import spread
from .summary import Row

__all__ = ['render']

_NONE, _MINUS = '\N{EN DASH}', '\N{MINUS SIGN}'


def render(comparison: Comparison) -> str:
    """Return the page as HTML."""
    import jinja2
    from markupsafe import Markup

    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        svg=Markup,
        signed=_signed,
        percent=_percent,
        spread=_spread,
        multiply=operator.mul,
    )
    # The page has a color for each name, and the teacher's.
    numbers = {name: k for k, name in enumerate(comparison.runs)}
    analysis: Any = comparison.analysis
    others = list(numbers)[1:] if analysis else []
    return environment.get_template('page.html').render(
        version=__version__,
        numbers=numbers,
        names=list(numbers),
        metric=_label(comparison.metric),
        unit='points' if comparison.metric.startswith('accuracy') else '',
        notes=comparison.notes,
        rows=comparison.rows,
        scale=_Scale.of_rows(comparison.rows),
        differences=_Scale.of_differences(comparison.rows),
        sentences=_sentences(comparison),
        curves=drawings.curves(comparison, numbers),
        losses=drawings.losses(comparison.runs, numbers),
        runs=_listed(comparison),
        analysis=analysis,
        teacher=TEACHER,
        extremes=EXTREMES,
        gains={name: analysis.class_gains(name) for name in others},
        reliabilities=drawings.reliabilities(analysis, numbers),
        probabilities=drawings.probabilities(analysis, numbers),
        thumbnails=drawings.thumbnails(analysis),
        mean=mean,
    )


class _Scale:
    """Place values on a line, in percent of its length."""

    def __init__(self, values: Sequence[float]) -> None:
        seen = [value for value in values if math.isfinite(value)] or [0]
        margin = (max(seen) - min(seen)) * 0.06 or 1.0
        self.low, self.high = min(seen) - margin, max(seen) + margin

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> _Scale:
        return cls([value for row in rows for value in row.final])

    @classmethod
    def of_differences(cls, rows: Sequence[Row]) -> _Scale:
        ends = [0.0]
        for row in rows:
            if row.difference is not None and row.difference.n:
                half = row.difference.half
                half = 0.0 if math.isnan(half) else half
                middle = row.difference.mean
                ends += [middle - half, middle + half]
        return cls(ends)

    def __call__(self, value: float) -> str:
        share = (value - self.low) / (self.high - self.low)
        return f'{100 * min(max(share, 0), 1):.2f}%'


def _sentences(comparison: Comparison) -> list[str]:
    """Say what the numbers say."""
    first, *others = comparison.rows
    told = []
    for row in others:
        gain = row.difference
        if gain is None or not gain.n:
            continue
        side = 'above' if gain.mean >= 0 else 'below'
        text = f'{row.name} ends {abs(gain.mean):.2f} {side} {first.name}'
        if math.isnan(gain.half):
            told.append(f'{text}, by one run each: no interval can be given.')
            continue
        low, high = gain.mean - gain.half, gain.mean + gain.half
        zero = 'includes 0' if gain.verdict == 'open' else 'leaves out 0'
        told.append(
            f'{text}; the 95 % interval from {_signed(low)} to '
            f'{_signed(high)} {zero}.'
        )
    return told


def _listed(comparison: Comparison) -> list[dict[str, Any]]:
    """List the runs with what tells them apart."""
    listed = []
    for row, some in zip(comparison.rows, comparison.runs.values()):
        for run, final, best in zip(some, row.final, row.best):
            listed.append(
                {
                    'name': row.name,
                    'folder': run.folder,
                    'seed': _NONE if run.seed is None else run.seed,
                    'end': max(run.val[comparison.metric]),
                    'final': final,
                    'best': best,
                }
            )
    return listed


def _label(metric: str) -> str:
    top = metric.partition('accuracy/top')[2]
    return f'Top-{top} accuracy' if top.isdecimal() else metric


def _signed(value: float, digits: int = 2) -> str:
    """Write a sign, and a minus as long as a plus."""
    return f'{value:+.{digits}f}'.replace('-', _MINUS)


def _percent(share: float, digits: int = 1) -> str:
    return _NONE if math.isnan(share) else f'{100 * share:.{digits}f}'


def _spread(values: Sequence[float]) -> str:
    seen = [value for value in values if not math.isnan(value)]
    return spread(seen).rpartition(' (')[0] if seen else _NONE
