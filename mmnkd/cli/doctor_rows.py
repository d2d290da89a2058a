"""What the doctor found out, as titles and rows of text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..diagnosis.cost import Cost
from ..diagnosis.facts import DataFacts
from ..diagnosis.report import Report

__all__ = ['sections']


def sections(report: Report) -> Iterable[tuple[str, list[tuple[str, str]]]]:
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
        if network.weights and report.is_teacher_real:
            text += f', weights {network.weights[:8]}'
        if network.source:
            text += f' from {Path(network.source).name}'
        rows.append((network.who.capitalize(), text))
    length = f'{plan.epochs} epochs' if plan.epochs else ''
    if report.steps:
        length += f' = {report.steps} steps'
    length = length.removeprefix(' = ')
    batch = f'{plan.batch_size} images'
    if plan.processes > 1 or plan.accumulate > 1:
        batch = f'{plan.total_batch} images ({plan.batch_size}'
        if plan.processes > 1:
            batch += f' x {plan.processes} GPUs'
        if plan.accumulate > 1:
            batch += f' x {plan.accumulate} accumulated'
        batch += ')'
    rate = '' if plan.lr is None else f', learning rate {plan.lr:.4g}'
    rate += ' (scaled to the batch)' if plan.lr_is_scaled else ''
    schedule = ' + '.join(plan.schedule) or 'no schedule'
    rows += [
        ('Length', f'{length}, {batch} a step'),
        ('Optimizer', f'{plan.optimizer}{rate}, {schedule}'),
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
    are_all = facts.counted == facts.images
    text += ';' if are_all else f'; of {facts.counted} counted,'
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
    if cost.workers and cost.load:
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
