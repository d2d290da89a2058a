"""``mmnkd compare NAME=WORK_DIR...``: a table, and a page with all charts."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import MMLogger
from rich.markup import escape

from ..compare import Comparison, compare, write_page
from ..compare.statistics import spread

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ['main']

_EPILOG = """\
examples:
  mmnkd compare baseline=work_dirs/baseline NKD=work_dirs/nkd
  mmnkd compare 'baseline=work_dirs/base_*' 'NKD=work_dirs/nkd_*' \\
    --out report.html --checkpoints

exit codes: 0 compared; 1 not, and a line says why; 2 the command is not
understood.
"""


def main(arguments: Sequence[str]) -> None:
    """Compare trainings, print a table, and write a page if wanted.

    Raises:
        ImportError, OSError, ValueError: As :func:`mmnkd.compare.compare`.
    """
    args = _parser().parse_args(arguments)
    from rich.console import Console

    console = Console()
    # mmengine would tell of each teacher that is built.
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    comparison = compare(
        args.runs,
        metric=args.metric,
        checkpoints=args.checkpoints,
        device=args.device,
        images=args.images,
        track=_track,
    )
    console.print(_table(comparison))
    for note in comparison.notes:
        console.print(note, highlight=False, markup=False)
    if args.out:
        with console.status('Drawing'):
            write_page(comparison, args.out)
        console.print(f'Page: {args.out}', soft_wrap=True, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='mmnkd compare',
        description='Compare trainings of mmnkd or plain mmpretrain by their '
        'logs, and if wanted by their checkpoints.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='NAME=WORK_DIR',
        help='a name and the work_dir of a training, or a glob pattern. '
        'Several folders of a name are its seeds. Differences are to the '
        'first name',
    )
    parser.add_argument('--out', help='HTML page to write, in one file')
    parser.add_argument(
        '--metric', help='of the validation (default: accuracy/top1)'
    )
    parser.add_argument(
        '--checkpoints',
        action='store_true',
        help='ask the last checkpoint of each run for the validation images '
        'of its config, and the teacher too: classes, confusions, '
        'calibration, probabilities, images',
    )
    parser.add_argument(
        '--images',
        type=_positive,
        metavar='N',
        help='take only N of these images, evenly spaced',
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where the networks compute (default: cuda, or else cpu)',
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(
            f'expected a number above 0, but got {text!r}'
        )
    return int(text)


def _track(batches: Iterable, label: str, total: int) -> Iterator[Any]:
    from rich.progress import track

    quiet = not sys.stdout.isatty()
    return iter(track(batches, label, total, transient=True, disable=quiet))


def _table(comparison: Comparison) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    first = comparison.rows[0].name
    title = f'{comparison.metric}, mean ± std over the runs'
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column('name', min_width=8, overflow='fold')
    for header in ('final (runs)', 'best', f'minus {first} [95 %]'):
        table.add_column(escape(header), justify='right', no_wrap=True)
    table.add_column('')
    for row in comparison.rows:
        gain = row.difference
        table.add_row(
            escape(row.name),
            spread(row.final),
            spread(row.best).rpartition(' ')[0],
            '' if gain is None else escape(str(gain)),
            (gain and gain.verdict) or '',
        )
    return table
