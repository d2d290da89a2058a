"""Whether student, teacher and losses fit each other, before they train."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

import torch
from torch import nn

from .classes import compare_classes
from .finding import Finding, error, warning
from .schedules import check_schedules

__all__ = [
    'check_networks',
    'count_parameters',
    'kind_of',
    'live_teachers',
    'reads_logits',
]


def check_networks(
    model: Any,
    *,
    classes: Optional[Sequence[str]] = None,
    max_epochs: Optional[int] = None,
    max_iters: Optional[int] = None,
) -> list[Finding]:
    """Look at a distilled classifier whose teacher is built.

    Args:
        model: A classifier with the :class:`DistillationMixin`.
        classes: Names of the data set's classes, None if it has none.
        max_epochs: Epochs of the training; None or 0 where it counts
            iterations.
        max_iters: Iterations of the training, None if they aren't known.

    Returns:
        ``class-order``, ``class-count``, ``class-indices``, ``std-0``,
        ``schedule-epochs`` (errors), ``class-names``, ``teacher-smaller``,
        ``schedule-end`` (warnings).
    """
    findings = _check_std(model, 'the student')
    student = count_parameters(model)
    for who, teacher in live_teachers(model).items():
        findings += _check_std(teacher.network, who)
        findings += _check_size(student, teacher.network, who)
        if not reads_logits(model.distill_losses.teacher_taps, who):
            continue  # its classes matter to nobody
        known = teacher.classes
        indices = teacher.class_indices
        wrong = check_class_indices(indices, who, known and len(known))
        if classes and known and not wrong:
            wrong = compare_classes(known, classes, who, indices)
        findings += wrong
    schedules = {
        name: loss.weight_schedule.schedulers
        for name, loss in model.distill_losses.items()
        if getattr(loss, 'weight_schedule', None) is not None
    }
    if model.student_loss_schedule is not None:
        own = model.student_loss_schedule.schedulers
        schedules = {**schedules, 'student': own}
    return findings + check_schedules(schedules, max_epochs, max_iters)


def live_teachers(model: Any) -> dict[str, Any]:
    """Return the built teachers with a network, each by what it is called."""
    teacher = getattr(model, 'teacher', None)
    several = getattr(teacher, 'teachers', None)
    named = {'the teacher': teacher}
    if several is not None:
        named = {f'teacher[{k}]': one for k, one in enumerate(several)}
    return {
        who: one
        for who, one in named.items()
        if getattr(one, 'network', None) is not None
    }


def reads_logits(taps: Iterable[str], who: str) -> bool:
    """Tell whether a loss reads a teacher's logits.

    Args:
        taps: All that losses read of the teachers.
        who: The teacher, of several ``teacher[k]``.
    """
    return any(
        tap == 'logits' or who == f'teacher[{tap.removesuffix(".logits")}]'
        for tap in taps
    )


def count_parameters(network: nn.Module) -> int:
    """Return how many parameters a network has, without losses'."""
    return sum(
        parameter.numel()
        for name, parameter in network.named_parameters()
        if not name.startswith('distill_losses.')
    )


def kind_of(model: Any) -> str:
    """Name a network by its backbone, or by its own type."""
    inner = getattr(model, 'backbone', None) or getattr(model, 'model', None)
    kind = type(inner if isinstance(inner, nn.Module) else model).__name__
    depth = getattr(inner, 'depth', None)
    return f'{kind}-{depth}' if isinstance(depth, int) else kind


def check_class_indices(
    indices: Optional[Sequence[int]], who: str, classes: Optional[int] = None
) -> list[Finding]:
    """Expect each index once, and among a teacher's `classes` if known."""
    given = list(indices or ())
    if classes and given and max(given) >= classes:
        return error(
            'class-indices',
            f'Expected `class_indices` of {who} from 0 to {classes - 1}, '
            f'as it has {classes} classes, but got {max(given)}.',
            'Count its classes from 0.',
        )
    twice = sorted({i for i in given if given.count(i) > 1})
    if not twice:
        return []
    return error(
        'class-indices',
        f'Expected `class_indices` of {who} to name each class once, but '
        f'{twice[:5]} come several times.',
        "Give each of the student's classes an own class of the teacher.",
    )


def _check_std(network: nn.Module, who: str) -> list[Finding]:
    preprocessor = getattr(network, 'data_preprocessor', None)
    std = getattr(preprocessor, 'std', None)
    if std is None or bool((torch.as_tensor(std) > 0).all()):
        return []
    return error(
        'std-0',
        f"Expected `std` of {who}'s `data_preprocessor` to be positive, "
        f'but got {std.flatten().tolist()}: images come to infinity.',
        'Give the standard deviation of each channel, in units of 0 to 255.',
    )


def _check_size(student: int, teacher: nn.Module, who: str) -> list[Finding]:
    size = count_parameters(teacher)
    if size >= student:
        return []
    return warning(
        'teacher-smaller',
        f'Expected {who} to be larger than the student, but it has '
        f'{size / 1e6:.2f} M parameters, and the student '
        f'{student / 1e6:.2f} M.',
        'Look whether the two are swapped.',
    )
