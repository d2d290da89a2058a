"""What networks get and answer, on batches of real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from ..cache import CachedTeacher
from ..classifier.mixin import target_of
from .batch import check_batch
from .batches import preprocessed
from .facts import ImageFacts, check_image_facts, describe_images
from .finding import Finding
from .first_step import num_classes_of
from .networks import count_parameters, kind_of, live_teachers
from .report import NetworkFacts
from .signal import Signal, measure_signal

__all__ = ['Look', 'ask_teacher', 'describe_networks', 'look_at']


class Look(NamedTuple):
    """What one training batch shows.

    Attributes:
        images: As the student gets them.
        facts: What each network gets of the first image.
        findings: What is wrong with images, labels or the teacher's answers.
    """

    images: Tensor
    facts: dict[str, ImageFacts]
    findings: list[Finding]


def look_at(model: Any, batch: Mapping[str, Any], *, ask: bool = True) -> Look:
    """Say what each network gets of a training batch, and check it.

    With `ask` the built teacher's answers are checked too.
    """
    data = preprocessed(model, batch)
    images, samples = data['inputs'], data['data_samples']
    facts = {'the student': describe_images(images)}
    answers, size = None, None
    for who, teacher in live_teachers(model).items():
        facts[who] = describe_images(teacher.adapted(images))
        size = size or teacher.input_size
    if ask and getattr(model, 'teacher', None) is not None:
        taps = model.distill_losses.teacher_taps
        answers = model.teacher(images, taps, samples) if taps else None
    findings = check_image_facts(facts) + check_batch(
        images,
        target_of(samples),
        num_classes=num_classes_of(model),
        teacher=answers,
        teacher_size=size,
    )
    return Look(images, facts, findings)


def describe_networks(model: Any) -> list[NetworkFacts]:
    """Say what student and built teachers are."""
    student = NetworkFacts('student', kind_of(model), count_parameters(model))
    teachers = [
        NetworkFacts(
            who.removeprefix('the '),
            kind_of(teacher.network),
            count_parameters(teacher.network),
            teacher.checkpoint,
            teacher.weights_hash,
        )
        for who, teacher in live_teachers(model).items()
    ]
    return [student, *teachers]


def ask_teacher(
    model: Any, train: Sequence[Mapping], val: Sequence[Mapping]
) -> tuple[Optional[Signal], str]:
    """Measure what the teacher knows of validation images.

    Args:
        model: A distilled classifier whose teacher is built.
        train: Training batches: a stored teacher knows only these.
        val: Validation batches, perhaps none.

    Returns:
        The signal, None if no loss reads logits or samples have no label;
        and which images it is of.
    """
    if 'logits' not in model.distill_losses.teacher_taps:
        return None, ''
    teachers = getattr(model.teacher, 'teachers', [model.teacher])
    is_stored = any(isinstance(one, CachedTeacher) for one in teachers)
    training = is_stored or not val
    logits, targets = [], []
    for batch in train if training else val:
        data = preprocessed(model, batch, training)
        samples = data['data_samples']
        target = target_of(samples)
        if target is None:
            return None, ''
        answer = model.teacher(data['inputs'], ['logits'], samples)
        logits.append(answer['logits'].cpu())
        targets.append(target.cpu())
    signal = measure_signal(torch.cat(logits), torch.cat(targets))
    return signal, 'training' if training else 'validation'
