"""Whether schedules fit the length of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .finding import Finding, error, warning

__all__ = ['check_learning_rate', 'check_schedules']


def check_schedules(
    schedules: Mapping[str, Sequence[Mapping[str, Any]]],
    max_epochs: Optional[int],
    max_iters: Optional[int],
) -> list[Finding]:
    """Expect schedules that count what the training counts, and end in it.

    Args:
        schedules: Configs of schedulers, by the name of the loss.
        max_epochs: Epochs of the training; None or 0 where it counts
            iterations.
        max_iters: Iterations of the training, None if they aren't known.

    Returns:
        ``schedule-epochs`` (an error) and ``schedule-end`` (a warning).
    """
    findings: list[Finding] = []
    for name, schedulers in schedules.items():
        for scheduler in schedulers:
            by_epoch = scheduler.get('by_epoch', True)
            end = scheduler.get('end')
            if by_epoch and max_iters and not max_epochs:
                findings += error(
                    'schedule-epochs',
                    f'Expected the weight schedule of {name!r} to count '
                    'iterations, as the training does, but it counts epochs, '
                    'of which there are none.',
                    'Set `by_epoch=False`, with `begin` and `end` in '
                    'iterations.',
                )
                continue
            last = max_epochs if by_epoch else max_iters
            if last and isinstance(end, int) and end > last:
                unit = 'epochs' if by_epoch else 'iterations'
                findings += warning(
                    'schedule-end',
                    f'Expected the weight schedule of {name!r} to end within '
                    f"the training's {last} {unit}, but it ends after {end}.",
                    f'Set `end={last}` or less, or leave it out.',
                )
    return findings


def check_learning_rate(
    schedulers: Sequence[Mapping[str, Any]],
    max_epochs: Optional[int],
    max_iters: Optional[int],
) -> list[Finding]:
    """Expect schedules of the learning rate that end in the training.

    A training that was shortened by ``max_epochs`` alone never comes to the
    low rates that its recipe ends with. The lengths are as in
    :func:`check_schedules`.
    """
    findings: list[Finding] = []
    for scheduler in schedulers:
        by_epoch = scheduler.get('by_epoch', True)
        last = max_epochs if by_epoch else max_iters
        milestones = scheduler.get('milestones') or ()
        period = scheduler.get('T_max')
        if period:
            milestones = [(scheduler.get('begin') or 0) + period]
        if last and milestones and max(milestones) > last:
            unit = 'epochs' if by_epoch else 'iterations'
            key = 'T_max' if period else 'milestones'
            findings += warning(
                'lr-schedule',
                "Expected the learning rate's schedule to end within the "
                f"training's {last} {unit}, but {scheduler['type']} has "
                f'{key}={scheduler[key]}.',
                f'Scale `{key}` of `param_scheduler` with the length of the '
                'training.',
            )
    return findings
