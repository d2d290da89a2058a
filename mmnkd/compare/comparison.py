"""Trainings compared: from work_dirs to numbers, and to a page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from ..registry import require
from .runs import Run, find_runs
from .summary import Row, choose_metric, notes, summarize

if TYPE_CHECKING:
    from .analysis import Analysis

__all__ = ['Comparison', 'compare', 'write_page']


@dataclass(frozen=True)
class Comparison:
    """Hold what is known of several trainings.

    Attributes:
        runs: The trainings of each name; the first name is the one that the
            others are compared with.
        metric: The validation metric that is compared.
        rows: Its numbers, a row a name.
        notes: What a reader of the numbers has to know.
        analysis: What the checkpoints say, if they were asked.
    """

    runs: dict[str, list[Run]]
    metric: str
    rows: list[Row]
    notes: list[str]
    analysis: Optional[Analysis] = None


def compare(
    named: Sequence[str],
    *,
    metric: Optional[str] = None,
    checkpoints: bool = False,
    device: str = 'cpu',
    images: Optional[int] = None,
    track: Callable[[Iterable, str, int], Iterable] = lambda them, *_: them,
) -> Comparison:
    """Compare trainings of mmnkd or plain mmpretrain.

    Args:
        named: ``NAME=WORK_DIR`` each, where WORK_DIR may be a glob pattern. A
            name's folders are its seeds.
        metric: A validation metric; by default ``accuracy/top1``, or else the
            first that all runs have.
        checkpoints: Whether to ask the networks, too, for the validation
            images.
        device: Where these compute.
        images: How many of the images, evenly spaced; None for all.
        track: Shows the progress, called as ``rich.progress.track``: with an
            iterable, a description and a length.

    Raises:
        FileNotFoundError: A folder, log, config, checkpoint or the data isn't
            there.
        ImportError: A package of the extra ``report`` is missing.
        ValueError: A log is broken, or runs have nothing to compare.
    """
    packages = ('jinja2', 'matplotlib', 'scipy', 'torchmetrics')
    require('report', 'mmnkd compare', *packages)
    runs = find_runs(named)
    metric = choose_metric(runs, metric)
    told = notes(runs, metric)
    analysis = None
    if checkpoints:
        from .analysis import analyze

        options: dict[str, Any] = {'device': device, 'images': images}
        analysis = analyze(runs, track=track, **options)
        told += analysis.notes
    return Comparison(runs, metric, summarize(runs, metric), told, analysis)


def write_page(comparison: Comparison, path: Union[str, os.PathLike]) -> None:
    """Write one HTML page that needs no other file and no network."""
    from .page import render

    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(comparison), encoding='utf8')
