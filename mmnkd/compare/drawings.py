"""The drawings on the page of a comparison."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Optional

import torch

from .analysis import TEACHER, Analysis
from .charts import Line, lines, reliability
from .comparison import Comparison
from .judge import Judgment
from .runs import Curve, Run
from .summary import Band

__all__ = ['curves', 'losses', 'probabilities', 'reliabilities', 'thumbnails']

_POINTS = 120  # of a curve of losses
_THUMBNAIL = 112  # pixels
_ENDS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999]  # of a logit axis


def curves(
    comparison: Comparison, numbers: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Draw the metric over the whole training, and its last third."""
    metric, runs = comparison.metric, comparison.runs
    bands = {
        name: Band.of([run.val[metric] for run in some])
        for name, some in runs.items()
    }
    some = next(iter(runs.values()))[0]
    x = 'epoch' if some.by_epoch else 'iteration'
    ends = [band.steps[-1] for band in bands.values() if band.steps]
    end = max(ends, default=0)
    charts = []
    for part, start in (('Whole training', -1), ('Last third', end * 2 / 3)):
        drawn = {n: Line.of(band, start) for n, band in bands.items()}
        drawn = {name: line for name, line in drawn.items() if line.x}
        title = f'{part}: {metric} by {x}'
        charts.append((part, lines(drawn, numbers, title=title, x=x)))
    return charts


def losses(
    runs: Mapping[str, Sequence[Run]], numbers: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Draw each loss term that is logged, for the names that have it."""
    every = [run for some in runs.values() for run in some]
    terms = {term for run in every for term in run.losses}
    last = [max(curve) for run in every for curve in run.losses.values()]
    width = max(1, math.ceil(max(last, default=0) / _POINTS))
    charts = []
    for term in sorted(terms, key=lambda term: (term != 'loss_cls', term)):
        drawn = {
            name: Line.of(
                Band.of([_binned(run.losses[term], width) for run in some])
            )
            for name, some in runs.items()
            if all(term in run.losses for run in some)
        }
        options = {'title': f'{term} by iteration', 'x': 'iteration'}
        svg = lines(drawn, numbers, size=(3.6, 2.3), **options)
        charts.append((term, svg))
    return charts


def _binned(curve: Curve, width: int) -> Curve:
    """Average over bins of `width` steps."""
    bins: dict[int, list[float]] = {}
    for step, value in curve.items():
        bins.setdefault(step // width, []).append(value)
    return {n * width + width // 2: mean(some) for n, some in bins.items()}


def reliabilities(
    analysis: Optional[Analysis], numbers: Mapping[str, int]
) -> list[tuple[str, list[float], str]]:
    """Return name, ECE of each run and chart."""
    if analysis is None:
        return []
    drawn = []
    for name, judged in _judged(analysis).items():
        svg = reliability(
            _over_runs(judged, 'confidence'),
            _over_runs(judged, 'bin_accuracy'),
            torch.stack([j.bin_share for j in judged]).mean(dim=0).tolist(),
            name,
            numbers,
        )
        drawn.append((name, [100 * j.ece for j in judged], svg))
    return drawn


def _over_runs(judged: Sequence[Judgment], key: str) -> list[float]:
    """Average a value of bins over runs, by their images; NaN for none."""
    images = torch.stack([j.bin_share for j in judged])
    values = torch.stack([getattr(j, key) for j in judged])
    return ((values * images).nansum(dim=0) / images.sum(dim=0)).tolist()


def probabilities(
    analysis: Optional[Analysis], numbers: Mapping[str, int]
) -> list[tuple[str, str, str]]:
    """Draw the target's probability and the non-target distribution."""
    if analysis is None:
        return []
    target, others = {}, {}
    for name, judged in _judged(analysis).items():
        quantiles = torch.stack([j.target for j in judged]).mean(dim=0)
        share = torch.linspace(0, 100, len(quantiles))
        quantiles = quantiles.clamp(1e-4, 1 - 1e-4)
        target[name] = Line(quantiles.tolist(), share.tolist())
        ranks = torch.stack([j.nontarget for j in judged]).mean(dim=0)
        others[name] = Line(range(1, len(ranks) + 1), ranks.tolist())
    return [
        (
            'Target probability',
            '% of images whose target gets at most this probability',
            lines(
                target,
                numbers,
                title="Distribution of the target's probability",
                x='probability of the target',
                xscale='logit',
                xlim=(_ENDS[0], _ENDS[-1]),
                xticks=_ENDS,
                xticklabels=[f'{end:g}' for end in _ENDS],
                ylim=(0, 100),
            ),
        ),
        (
            'Non-target probabilities',
            'mean share of the non-target probability, by rank',
            lines(
                others,
                numbers,
                title='Normalized non-target probabilities by rank',
                x='rank among the non-target classes',
                yscale='log',
            ),
        ),
    ]


def _judged(analysis: Analysis) -> dict[str, list[Judgment]]:
    teacher = {TEACHER: [analysis.teacher]} if analysis.teacher else {}
    return {**analysis.students, **teacher}


def thumbnails(analysis: Optional[Analysis]) -> list[str]:
    """Return the images as data URLs; small ones stay as they are."""
    from PIL import Image

    urls = []
    for example in analysis.examples if analysis else ():
        image = Image.fromarray(example.pixels.numpy())
        kind = 'PNG' if max(image.size) <= _THUMBNAIL // 2 else 'JPEG'
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        file = io.BytesIO()
        image.save(file, kind)
        data = base64.b64encode(file.getvalue()).decode()
        urls.append(f'data:image/{kind.lower()};base64,{data}')
    return urls
