"""What a diagnosis finds, as a value."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from mmengine.logging import print_log

__all__ = ['NAMES', 'Finding', 'check_names', 'error', 'settle', 'warning']

# All findings' names, and what each means.
NAMES = {
    'batch': 'a training batch can not be looked at',
    'batch-size': 'the learning rate is for another batch size',
    'class-count': 'networks or data differ in how many classes they have',
    'class-empty': 'a class has no training images',
    'class-indices': 'several classes share a class of the teacher',
    'class-names': "the teacher's classes have other names",
    'class-order': "the teacher's classes have another order",
    'config': 'the config can not be read, or lacks a part',
    'dead-key': 'nothing reads a key of the config',
    'foreign-key': 'a key of another framework for distillation',
    'image-scale': 'images are not normalized',
    'images-nan': 'images are not finite numbers',
    'label-range': "labels are not among the head's classes",
    'lr-schedule': 'the training ends before the learning rate is low',
    'loss-nan': 'a loss is not a finite number',
    'loss-share': 'a loss is too small or too large to matter',
    'losses': 'the losses can not be computed',
    'model': 'student or teacher can not be built',
    'model-type': "the model's type has no teacher",
    'no-images': 'the data set is empty',
    'no-losses': 'nothing is distilled',
    'schedule-end': 'a weight is still on its way when the training ends',
    'schedule-epochs': 'a weight waits for epochs that are not counted',
    'std-0': 'images are divided by 0',
    'step': 'a training step fails',
    'teacher': 'the teacher does not answer',
    'teacher-chance': 'the teacher guesses',
    'teacher-constant': 'the teacher says the same of every image',
    'teacher-file': 'a file of the teacher is not there',
    'teacher-flat': 'the teacher finds all classes equally likely',
    'teacher-nan': 'the teacher puts out no finite numbers',
    'teacher-smaller': 'the teacher is smaller than the student',
    'term-large': "a loss drowns the student's own",
    'term-small': 'a loss hardly teaches',
    'train-data': 'the training data can not be read',
    'val-classes': 'training and validation differ in their classes',
    'val-data': 'the validation data can not be read',
}


@dataclass(frozen=True)
class Finding:
    """Something about a training that its user should know.

    Attributes:
        name: Short and stable, as in ``ignore_findings=['class-order']``.
        level: Whether it won't train right (error) or may not (warning).
        message: What was expected and what came, with the numbers.
        fix: What to do.
    """

    name: str
    level: Literal['error', 'warning']
    message: str
    fix: str

    def __str__(self) -> str:
        return f'[{self.name}] {self.message} {self.fix}'


def error(name: str, message: str, fix: str) -> list[Finding]:
    """Return a finding for which a training won't be right, in a list."""
    return [Finding(name, 'error', message, fix)]


def warning(name: str, message: str, fix: str) -> list[Finding]:
    """Return a finding for which it may not be, in a list."""
    return [Finding(name, 'warning', message, fix)]


def settle(
    findings: Collection[Finding], ignored: Collection[str] = ()
) -> None:
    """Log warnings, then stop at errors.

    Args:
        findings: What was found.
        ignored: Names of findings that say nothing.

    Raises:
        ValueError: All errors.
    """
    heard = [found for found in findings if found.name not in ignored]
    for found in heard:
        if found.level == 'warning':
            print_log(str(found), 'current', logging.WARNING)
    errors = [str(found) for found in heard if found.level == 'error']
    if errors:
        raise ValueError(' '.join(errors))


def check_names(names: Any) -> None:
    """Expect a list of findings' names.

    Raises:
        TypeError: It is no list.
        ValueError: No finding has such a name; the nearest is given.
    """
    if not isinstance(names, (list, tuple)):
        raise TypeError(
            'Expected `ignore_findings` to be a list of names, as in '
            f"['class-order'], but got {names!r}."
        )
    for name in names:
        if name not in NAMES:
            near = difflib.get_close_matches(str(name), NAMES, n=1)
            raise ValueError(
                'Expected names of findings in `ignore_findings`, but got '
                f'{name!r}. Nearest: {near or list(NAMES)}.'
            )
