"""``mmnkd doctor CONFIG``: what a training will do, before it costs time."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import torch
from mmengine.config import DictAction
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..diagnosis.cost import Cost
from ..diagnosis.examine import examine
from ..diagnosis.facts import DataFacts
from ..diagnosis.report import Report

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

    Args:
        arguments: What follows ``mmnkd doctor``.

    Returns:
        The exit code: 0 good, 1 warnings, 2 won't train.

    Raises:
        OSError: The JSON file can't be written.
    """
    args = _parse(arguments)
    aside = Console(stderr=True)
    # What data sets print is no part of the report.
    with redirect_stdout(sys.stderr), aside.status('') as status:
        report = examine(
            args.config,
            batches=args.batches,
            processes=args.gpus,
            device=args.device,
            options=args.cfg_options,
            say=lambda stage: status.update(f'{stage} ...'),
        )
    if args.json != '-':
        show(report, Console())
    if args.json:
        text = json.dumps(report.as_dict(), indent=1)
        if args.json == '-':
            print(text)
        else:
            Path(args.json).write_text(text, encoding='utf8')
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
        default=max(1, torch.cuda.device_count()),
        help='GPUs (processes) of the training (those of this machine, or 1)',
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
    return parser.parse_args(arguments)


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
    for title, rows in _sections(report):
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


def _sections(report: Report) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    """Yield titles and rows of what was found out."""
    if report.plan:
        yield 'What the config does', _plan(report)
    if report.train:
        yield 'Data', _data(report)
    if report.signal:
        yield 'What the teacher has to teach', _signal(report)
    if report.cost:
        yield 'Time and memory', _cost(report, report.cost)


def _plan(report: Report) -> list[tuple[str, str]]:
    plan = report.plan
    assert plan is not None
    rows = []
    for network in report.networks:
        text = f'{network.kind}, {_number(network.parameters)} parameters'
        if network.weights:
            text += f', weights {network.weights[:8]}'
        if network.source:
            text += f' from {Path(network.source).name}'
        rows.append((network.who.capitalize(), text))
    length = f'{plan.epochs} epochs' if plan.epochs else ''
    if report.steps:
        length = f'{length} = ' if length else ''
        length = f'{plan.epochs} epochs = ' if plan.epochs else ''
        length += f'{report.steps} steps'
    batch = f'{plan.batch_size} images'
    if plan.processes > 1 or plan.accumulate > 1:
        batch = f'{plan.total_batch} images ({plan.batch_size}'
        batch += f' x {plan.processes} GPUs' if plan.processes > 1 else ''
        batch += (
            f' x {plan.accumulate} accumulated' if plan.accumulate > 1 else ''
        )
        batch += ')'
    rate = '' if plan.lr is None else f', learning rate {plan.lr:.4g}'
    rate += ' (scaled to the batch)' if plan.lr_is_scaled else ''
    schedule = ' + '.join(plan.schedule) or 'no schedule'
    rows += [
        ('Length', f'{length}, {batch} a step'),
        (
            'Optimizer',
            f'{plan.optimizer}{rate}, {schedule}',
        ),
        ('Images', ', '.join([*plan.pipeline, *plan.batch_augments])),
        (
            'Extras',
            f'averaged weights (EMA): {"yes" if plan.ema else "no"}; mixed '
            f'precision (AMP): {plan.amp or "no"}',
        ),
    ]
    return rows


def _data(report: Report) -> list[tuple[str, str]]:
    rows = [
        (title, _data_set(facts))
        for title, facts in (
            ('Training', report.train),
            ('Validation', report.val),
        )
        if facts
    ]
    for who, image in report.images.items():
        shape = ' x '.join(map(str, image.shape))
        rows.append(
            (
                f'{who.removeprefix("the ").capitalize()} gets',
                f'{shape}, values {image.low:.2f} to {image.high:.2f}, '
                f'mean {image.mean:.2f}, std {image.std:.2f}',
            )
        )
    return rows


def _data_set(facts: DataFacts) -> str:
    text = f'{facts.images} images ({facts.kind})'
    if not facts.counts:
        return text
    least = min(facts.counts, key=facts.counts.__getitem__)
    most = max(facts.counts, key=facts.counts.__getitem__)
    text += f' of {len(facts.counts)} classes'
    if facts.counted < facts.images:
        text += f'; of {facts.counted} counted,'
    else:
        text += ';'
    if facts.counts[least] == facts.counts[most]:
        return f'{text} {facts.counts[least]} of each'
    return (
        f'{text} {facts.counts[least]} ({least}) to {facts.counts[most]} '
        f'({most}) of each'
    )


def _signal(report: Report) -> list[tuple[str, str]]:
    signal = report.signal
    assert signal is not None
    return [
        (
            'Top-1',
            f'{signal.top1:.1f} % of {signal.images} {report.signal_on} '
            'images',
        ),
        (
            'Right class',
            f'gets a probability of {signal.target_share:.2f} on average; '
            f'entropy {signal.target_entropy:.2f} (0 = always sure, 1 = '
            'undecided)',
        ),
        (
            'Other classes',
            f'entropy {signal.other_entropy:.2f} (0 = all on one class, 1 = '
            'all alike: nothing to learn from)',
        ),
    ]


def _cost(report: Report, cost: Cost) -> list[tuple[str, str]]:
    parts = {
        'data': cost.data,
        'student': cost.student,
        'teacher': cost.teacher,
        'losses': cost.losses,
    }
    shown = [
        f'{name} {seconds / cost.total:.0%}'
        for name, seconds in parts.items()
        if name in ('data', 'student') or seconds
    ]
    noise = '' if report.is_data_real else ', on images of noise'
    step = f'{_seconds(cost.total)} on {report.stack["device"]}{noise}: '
    rows = [('A step', step + ', '.join(shown))]
    if cost.workers:
        rows.append(
            (
                'Loading',
                f'{_seconds(cost.load)} a batch for one process, and '
                f'{cost.workers} do it beside the training',
            )
        )
    if report.seconds:
        teacher = report.steps * cost.teacher / report.seconds
        text = f'about {_seconds(report.seconds)}'
        if cost.validate:
            text += ' with validations'
        if teacher:
            text += f'; {teacher:.0%} of it is the teacher'
        rows.append(('The whole', text))
    if cost.memory:
        where = 'of the GPU' if 'CPU' not in report.stack['device'] else ''
        size = f'{cost.memory / 2**30:.1f} GiB at most {where}'.rstrip()
        rows.append(('Memory', size))
    return rows


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
    told = {
        0: ('Good. ', 'bold green', f'Train by: mmnkd train {report.config}'),
        1: (
            'Warnings. ',
            'bold yellow',
            'It trains, but look at the findings above first.',
        ),
        2: (
            "Won't train. ",
            'bold red',
            'Mend the errors above, then ask again.',
        ),
    }
    word, style, text = told[report.exit_code]
    return Text(word, style=style).append(Text(text, style='default'))


def _number(count: int) -> str:
    if count >= 1e6:
        return f'{count / 1e6:.1f} M'
    return f'{count / 1e3:.1f} k' if count >= 1e3 else str(count)


def _seconds(value: float) -> str:
    if value < 1:
        return f'{1000 * value:.3g} ms'
    if value < 120:
        return f'{value:.3g} s'
    if value < 7200:
        return f'{value / 60:.3g} minutes'
    return f'{value / 3600:.3g} hours'
