"""The teacher's part of a distillation config."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..checkpoint import check_file, read_state_dict
from ..teacher.source import beside
from .folder import ImageFolder, imagenet_indices
from .networks import Network
from .text import Commented

__all__ = ['TeacherPlan', 'plan_teacher']

# Of mmpretrain's heads, timm and transformers; a file may be sorted by name.
_CLASSIFIER = re.compile(r'(^|\.)(head|fc|classifier)(\.\d+)*\.weight$')


class TeacherPlan(NamedTuple):
    """Hold what to write for a teacher.

    Attributes:
        entry: The model's key `teacher`.
        needs_file: Whether the teacher needs a config of its own, because it
            is to know other classes than its config says.
        needs_training: Whether nobody has trained it for those yet.
    """

    entry: dict[str, Any]
    needs_file: bool = False
    needs_training: bool = False


def plan_teacher(
    network: Network,
    checkpoint: Optional[str],
    classes: int,
    images: Optional[ImageFolder],
    own: Path,
) -> TeacherPlan:
    """Decide which weights a teacher gets, and how its classes fit.

    Args:
        network: The teacher.
        checkpoint: Path or URL; ``'none'`` for random weights; None for those
            that are known.
        classes: The student's.
        images: A folder of the user's own.
        own: Where a config of its own would be.
    """
    fits = network.classes in (None, classes)
    if images is None and not fits:
        raise ValueError(
            f"Expected a teacher of the student's {classes} classes, but "
            f'{network.name} has {network.classes}. Name another, or give '
            '--data.'
        )
    if images is None or (fits and checkpoint is not None):
        return TeacherPlan(_entry(network, checkpoint, own))
    entry: dict[str, Any] = {'model': '{{ fileDirname }}/' + own.name}
    if checkpoint == 'none':
        return TeacherPlan({**entry, **_random()}, needs_file=True)
    trained = _classes_in(checkpoint) or network.classes
    indices = imagenet_indices(images.classes)
    if trained == 1000 and indices:
        text = "The folder's classes among ImageNet's."
        entry = _entry(network, checkpoint, own)
        entry['class_indices'] = Commented(text, indices)
        return TeacherPlan(entry)
    if checkpoint is None:  # known weights are never for a user's classes
        text = f'First train it: mmnkd train {own.name}'
        entry['checkpoint'] = Commented(text, _last_checkpoint(network, own))
        return TeacherPlan(entry, needs_file=True, needs_training=True)
    if trained != classes:
        raise ValueError(
            f'Expected weights for the {classes} classes of {images.root}, '
            f'but {checkpoint!r} has {trained}. Leave --teacher-checkpoint '
            'out: then a config is written that trains such a teacher.'
        )
    entry['checkpoint'] = _path(checkpoint)
    return TeacherPlan(entry, needs_file=True)


def _entry(
    network: Network, checkpoint: Optional[str], own: Path
) -> dict[str, Any]:
    model: Any = dict(network.model) or _place(network.bases[0], own)
    if network.model and checkpoint is None:
        model['pretrained'] = True
        text = 'The library fetches its own weights.'
        return {'model': model, 'checkpoint': Commented(text, None)}
    if checkpoint == 'none':
        return {'model': model, **_random()}
    if checkpoint is not None:
        return {'model': model, 'checkpoint': _path(checkpoint)}
    if network.checkpoint is None:
        raise ValueError(
            f'Expected weights for the teacher {network.name}, but the model '
            'zoo has none, or several for this config. Give '
            '--teacher-checkpoint FILE, URL or none (random).'
        )
    text = f'Weights: {network.about}.'
    return {'model': model, 'checkpoint': Commented(text, network.checkpoint)}


def _place(base: str, own: Path) -> str:
    """Return how the student's config names the teacher's."""
    path = beside(base, own)
    if '::' in path or os.path.isabs(path):
        return path
    return '{{ fileDirname }}/' + path


def _random() -> dict[str, Any]:
    text = 'Random weights, for a trial: give a file or a URL.'
    return {'checkpoint': Commented(text, None)}


def _path(checkpoint: Optional[str]) -> str:
    """Return a URL as it is, and of a file the absolute path."""
    assert checkpoint is not None
    if '://' in checkpoint:
        return checkpoint
    check_file('checkpoint file', checkpoint)
    return str(Path(checkpoint).expanduser().resolve())


def _classes_in(checkpoint: Optional[str]) -> Optional[int]:
    """Return the size of a file's last layer; None where it isn't known."""
    if checkpoint in (None, 'none') or '://' in str(checkpoint):
        return None
    found = {
        name: len(tensor)
        for name, tensor in read_state_dict(_path(checkpoint)).items()
        if _CLASSIFIER.search(name) and tensor.ndim > 1
    }
    # Layers of this name inside blocks are deeper.
    last = min(found, key=lambda name: name.count('.'), default='')
    return found.get(last)


def _last_checkpoint(network: Network, own: Path) -> str:
    loop = network.config.train_cfg
    count = loop.get('max_epochs')
    name = f'epoch_{count}' if count else f'iter_{loop.max_iters}'
    return f'work_dirs/{own.stem}/{name}.pth'
