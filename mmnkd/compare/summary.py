"""What the logs say: a row a name, and curves over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Optional

from .runs import Curve, Run
from .statistics import (
    Difference,
    lower_is_better,
    paired_difference,
    welch_difference,
)

__all__ = ['Band', 'Row', 'choose_metric', 'notes', 'summarize']


@dataclass(frozen=True)
class Row:
    """Hold the numbers of one name.

    Attributes:
        name: As the user gave it.
        final: The metric at the end of each run.
        best: The best value of each run; the largest where it isn't known
            whether the metric should rise.
        difference: To the first name, of the final values; None for itself.
        seconds: A training iteration's, mean over the runs; None if not
            logged.
    """

    name: str
    final: list[float]
    best: list[float]
    difference: Optional[Difference]
    seconds: Optional[float]


@dataclass(frozen=True)
class Band:
    """Hold a mean curve over the runs, with its standard deviation.

    Only steps at which all runs have a value are in it.
    """

    steps: list[int]
    middle: list[float]
    std: list[float]

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Band:
        """Average curves step by step."""
        steps = sorted(set.intersection(*map(set, curves)))
        columns = [[curve[step] for curve in curves] for step in steps]
        std = [stdev(c) if len(c) > 1 else 0.0 for c in columns]
        return cls(steps, [mean(c) for c in columns], std)


def choose_metric(
    runs: Mapping[str, Sequence[Run]], metric: Optional[str]
) -> str:
    """Return a validation metric that all runs have, by default top-1."""
    every = [set(run.val) - {'time', 'data_time'} for run in _all(runs)]
    common = sorted(set.intersection(*every))
    if metric is None and common:
        usual = 'accuracy/top1'
        return usual if usual in common else common[0]
    if metric not in common:
        wanted = f'the metric {metric!r}' if metric else 'a validation metric'
        without = [
            str(run.folder)
            for run, names in zip(_all(runs), every)
            if (metric not in names if metric else not names)
        ]
        raise ValueError(
            f'Expected {wanted} in the logs of all runs, but '
            f'{without[0] if without else "no metric"} '
            f'{"has none" if without else "is in all"}. In common: {common}.'
        )
    return metric


def summarize(runs: Mapping[str, Sequence[Run]], metric: str) -> list[Row]:
    """Make a row a name, compared with the first.

    Names are compared seed by seed where the configs tell the seeds, no name
    has one twice, and two names share at least one; else as two groups.
    """
    rows: list[Row] = []
    groups = list(runs.values())
    pick = min if lower_is_better(metric) else max
    for name, some in runs.items():
        curves = [run.val[metric] for run in some]
        times = [run.train['time'] for run in some if 'time' in run.train]
        seconds = [mean(curve.values()) for curve in times]
        rows.append(
            Row(
                name,
                [curve[max(curve)] for curve in curves],
                [pick(curve.values()) for curve in curves],
                _difference(some, groups[0], metric) if rows else None,
                mean(seconds) if seconds else None,
            )
        )
    return rows


def notes(runs: Mapping[str, Sequence[Run]], metric: str) -> list[str]:
    """Say what a reader of the numbers has to know."""
    told = []
    ends: dict[int, list[str]] = {}
    for name, some in runs.items():
        for run in some:
            ends.setdefault(max(run.val[metric]), []).append(name)
    if len(ends) > 1:
        unit = 'epoch' if _all(runs)[0].by_epoch else 'iteration'
        listed = '; '.join(
            f'{unit} {end}: {_counted(ends[end])}' for end in sorted(ends)
        )
        told.append(
            f'The runs are of unequal length ({listed}). Final values are '
            'those of the last validation of each, and a curve ends with the '
            'shortest run of its name.'
        )
    (first, base), *others = runs.items()
    for name, some in others:
        if not _by_seed(some, metric).keys() & _by_seed(base, metric).keys():
            told.append(
                f'{name} and {first} have no seeds in common, so they are '
                "compared as two groups (Welch's interval), not in pairs."
            )
    return told


def _difference(
    ours: Sequence[Run], theirs: Sequence[Run], metric: str
) -> Difference:
    mine, base = _by_seed(ours, metric), _by_seed(theirs, metric)
    if mine.keys() & base.keys():
        found = paired_difference(mine, base)
    else:
        groups = _finals(ours, metric), _finals(theirs, metric)
        found = welch_difference(*groups)
    return found._replace(lower_is_better=lower_is_better(metric))


def _by_seed(runs: Sequence[Run], metric: str) -> dict[int, float]:
    """Return final values by seed; none where seeds aren't told or repeat."""
    seeds = [run.seed for run in runs if run.seed is not None]
    if len(set(seeds)) < len(runs):
        return {}
    return dict(zip(seeds, _finals(runs, metric)))


def _finals(runs: Sequence[Run], metric: str) -> list[float]:
    curves = [run.val[metric] for run in runs]
    return [curve[max(curve)] for curve in curves]


def _all(runs: Mapping[str, Sequence[Run]]) -> list[Run]:
    return [run for some in runs.values() for run in some]


def _counted(names: Sequence[str]) -> str:
    counts = {name: names.count(name) for name in names}
    return ', '.join(
        f'{name} ({count} runs)' if count > 1 else name
        for name, count in counts.items()
    )
