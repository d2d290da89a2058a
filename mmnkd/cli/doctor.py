"""``mmnkd doctor CONFIG``: what a training will do, before it costs time."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from mmengine.config import DictAction
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..diagnosis.examine import examine
from ..diagnosis.finding import check_names
from ..diagnosis.report import Report
from .advice import advise
from .doctor_rows import sections
from .files import read_safely

__all__ = ['main', 'show']

EPILOG = """\
exit codes:
  0  all is good
  1  it trains, but look at the warnings
  2  it won't train, or what it trains is wrong

examples:
  mmnkd doctor configs/demo/nkd_wide_tiny_1xb64_digits.py
  mmnkd doctor my_config.py --gpus 8 --batches 16 --json report.json
"""


def main(arguments: Sequence[str]) -> int:
    """Examine a config, and print what was found.

    From then on this process reads checkpoints by mmnkd's loader alone, see
    :func:`mmnkd.cli.files.read_safely`.

    Returns:
        The exit code: 0 good, 1 warnings, 2 won't train.

    Raises:
        OSError: The JSON file can't be written.
        ValueError: No finding has a name that is to be ignored.
    """
    args = _parse(arguments)
    read_safely()
    aside = Console(stderr=True)
    # What data sets print is no part of the report.
    with redirect_stdout(sys.stderr), aside.status('') as status:
        report = examine(
            args.config,
            batches=args.batches,
            processes=args.gpus,
            device=args.device,
            options=args.cfg_options,
            ignored=args.ignore_finding,
            say=lambda stage: status.update(f'{stage} ...'),
            advise=advise,
        )
    if args.json != '-':
        show(report, Console())
    if args.json:
        text = json.dumps(report.as_dict(), indent=1)
        if args.json == '-':
            print(text)
        else:
            Path(args.json).expanduser().write_text(text, encoding='utf8')
    return report.exit_code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='mmnkd doctor',
        description='Look at a training before it starts: what the config '
        'will do, whether data and teacher are as they should be, what the '
        'teacher has to teach, how strong each loss is, and how long it '
        'takes. Nothing is trained or written.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='a config file, distilled or plain')
    parser.add_argument(
        '--batches',
        type=_count,
        default=4,
        help='batches of training and validation data to look at (4)',
    )
    parser.add_argument(
        '--gpus',
        type=_count,
        default=1,
        help='GPUs (processes) that the training will have (1)',
    )
    parser.add_argument(
        '--device', help='where to compute, cpu or cuda (cuda if there is one)'
    )
    parser.add_argument(
        '--json', metavar='FILE', help="also write JSON; '-' prints it alone"
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help="changes of the config, as mmnkd train's",
    )
    parser.add_argument(
        '--ignore-finding',
        action='append',
        default=[],
        metavar='NAME',
        help='leave this finding out; may be repeated',
    )
    args = parser.parse_args(arguments)
    check_names(args.ignore_finding)
    return args


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'at least 1, but got {value}')
    return value


def show(report: Report, console: Console) -> None:
    """Print a report.

    Args:
        report: What was found out.
        console: Where to; commands to copy are not broken into lines.
    """
    stack = ', '.join(f'{k} {v}' for k, v in report.stack.items())
    console.print(Text(f'{report.config}, with {stack}', style='dim'))
    for title, rows in sections(report):
        console.print(Text(f'\n{title}', style='bold'))
        console.print(_facts(rows))
    if report.terms:
        console.print(Text('\nLoss terms', style='bold'))
        console.print(_terms(report))
    if report.advice:
        console.print(Text('\nWhat would make it faster', style='bold'))
    for advice in report.advice:
        text, _, command = advice.partition('\n')
        console.print(_bullet('+', 'green', text))
        if command:
            console.print(Text(f'    {command}'), soft_wrap=True)
    if report.findings:
        console.print(Text('\nFindings', style='bold'))
    for finding in sorted(report.findings, key=lambda f: f.level != 'error'):
        color = 'red' if finding.level == 'error' else 'yellow'
        mark = f'{finding.level} [{finding.name}]'
        console.print(_bullet(mark, color, finding.message))
        if finding.fix:
            console.print(Padding(Text(f'→ {finding.fix}'), (0, 0, 0, 4)))
    console.print()
    console.print(_verdict(report), soft_wrap=True)


def _terms(report: Report) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column('  term')
    for name in ('value', 'pull', '÷ own'):
        table.add_column(name, justify='right')
    for term in report.terms:
        pull = '-' if term.gradient is None else f'{term.gradient:.3g}'
        ratio = '-' if term.ratio is None else f'{term.ratio:.2g}'
        table.add_row(f'  {term.name}', f'{term.value:.3g}', pull, ratio)
    note = (
        "pull: size of the gradient at the student's logits before training. "
        "÷ own: that over the pull of the student's own loss; about 1 is "
        'balanced.'
    )
    if any(term.gradient is None for term in report.terms):
        note += ' A dash: it acts on features, not on logits.'
    return Group(table, Padding(Text(note, style='dim'), (0, 0, 0, 2)))


def _facts(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style='cyan', width=15)
    table.add_column()
    for name, text in rows:
        table.add_row(f'  {name}', Text(text))
    return table


def _bullet(mark: str, style: str, text: str) -> RenderableType:
    line = Text(f'{mark} ', style=style).append(Text(text, style='default'))
    return Padding(line, (0, 0, 0, 2))


def _verdict(report: Report) -> Text:
    same = ' --cfg-options …' if report.options else ''
    style, text = (
        ('bold green', f'Train by: mmnkd train {report.config}{same}'),
        ('bold yellow', 'It trains, but look at the findings above first.'),
        ('bold red', 'Fix the errors above, then run it again.'),
    )[report.exit_code]
    word = f'{report.verdict.capitalize()}. '
    return Text(word, style=style).append(Text(text, style='default'))
