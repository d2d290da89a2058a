"""The keys of a distillation config, and its text."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ..teacher.source import beside, check_inheritable, pipeline_of
from .folder import ImageFolder
from .networks import Network
from .text import Commented, Source, assignments

__all__ = [
    'config_text',
    'data_keys',
    'distilled_type',
    'plain_keys',
    'set_values',
]

TYPES = {
    'ImageClassifier': 'DistilledClassifier',
    'TimmClassifier': 'DistilledTimmClassifier',
    'HuggingFaceClassifier': 'DistilledHuggingFaceClassifier',
}
CLASSES = {
    'TimmClassifier': 'num_classes',
    'HuggingFaceClassifier': 'num_labels',
}


def distilled_type(student: Network) -> str:
    """Return the class that distills a student."""
    if student.type not in TYPES:
        raise ValueError(
            f'Expected a student of type {", ".join(TYPES)}, but '
            f'{student.name} is of type {student.type}. For a class of your '
            "own, see docs/distill_your_own.md: 'register the class'."
        )
    return TYPES[student.type]


def plain_keys(network: Network, classes: int) -> dict[str, Any]:
    """Return what a config says beside the bases of its network."""
    if network.model:
        model = {**network.model, CLASSES[network.type]: classes}
    else:
        old = network.classes
        model = _with_classes(network.config.model, old, classes) or {}
    keys: dict[str, Any] = {'model': model} if model else {}
    images: dict[str, Any] = dict(network.images)
    inner = network.config.get('model', {}).get('data_preprocessor')
    given = inner or network.config.get('data_preprocessor') or {}
    if classes != given.get('num_classes'):
        images['num_classes'] = classes
    if images:
        place = keys.setdefault('model', {}) if inner else keys
        place.setdefault('data_preprocessor', {}).update(images)
    return keys


def _with_classes(tree: Any, old: Optional[int], new: int) -> Any:
    """Return what to override for another number of classes, or None."""
    if isinstance(tree, Mapping):
        changed = {
            key: _with_classes(value, old, new) for key, value in tree.items()
        }
        for key in ('num_classes', 'num_labels'):
            if tree.get(key, new) == old != new:
                changed[key] = new
        if _most(tree) > new:
            changed['topk'] = (1,)
        return {k: v for k, v in changed.items() if v is not None} or None
    if isinstance(tree, (list, tuple)):
        entries = [_with_classes(value, old, new) for value in tree]
        if any(entry is not None for entry in entries):
            return [
                {**value, **entry} if entry else value
                for value, entry in zip(tree, entries)
            ]
    return None


def data_keys(
    network: Network, images: ImageFolder, lists: Optional[str]
) -> dict[str, Any]:
    """Return what loads a folder of images as a network's config wants them.

    Args:
        network: Whose pipelines are taken.
        images: The folder.
        lists: Where the lists of its split are, if it was split.
    """
    keys: dict[str, Any] = {}
    for part, which in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        if not network.config.get(f'{part}_dataloader'):
            continue
        subfolder = images.train if part == 'train' else images.val
        dataset = {
            '_delete_': True,
            'type': 'CustomDataset',
            'data_root': str(images.root / subfolder),
        }
        if lists is not None:
            dataset['ann_file'] = f'{lists}/{which}.txt'
            dataset['classes'] = f'{lists}/classes.txt'
        dataset['pipeline'] = _pipeline(network, which)
        keys[f'{part}_dataloader'] = {'dataset': dataset}
    for key in ('val_evaluator', 'test_evaluator'):
        metric = network.config.get(key)
        # A metric of a list is written whole, one alone is overridden.
        changed = _with_classes(metric, None, len(images.classes))
        if changed:
            keys[key] = changed
    return keys


def _most(tree: Mapping) -> int:
    """Return the largest k of `topk`: mmpretrain's configs take 5."""
    topk = tree.get('topk') or 0
    return topk if isinstance(topk, int) else max(topk)


def _pipeline(network: Network, part: str) -> Any:
    steps, place = pipeline_of(network.config, part)
    if steps and 'Load' in str(steps[0].get('type')):
        return Source(f'_base_.{place}')
    # The data of the base are no files, such as CIFAR's.
    size = network.image_size
    crop: list[dict] = [
        {'type': 'RandomResizedCrop', 'scale': size},
        {'type': 'RandomFlip', 'prob': 0.5},
    ]
    if part == 'val':
        crop = [
            {'type': 'ResizeEdge', 'scale': size},
            {'type': 'CenterCrop', 'crop_size': size},
        ]
    return [{'type': 'LoadImageFromFile'}, *crop, {'type': 'PackInputs'}]


def set_values(
    keys: dict[str, Any],
    losses: dict[str, Any],
    settings: Sequence[str],
    config: Mapping,
) -> None:
    """Set what a user wrote as ``nkd.gamma=1.0`` or ``randomness.seed=1``.

    Args:
        keys: Of a distilled config, changed in place.
        losses: Its losses, too.
        settings: Names of a loss's arguments or of the config's keys, with
            values.
        config: What the config inherits.
    """
    for setting in settings:
        name, equals, text = setting.partition('=')
        *path, last = name.split('.')
        first = (path or [last])[0]
        place = losses if path and first in losses else keys
        if not equals or (place is keys and first not in config):
            raise ValueError(
                f'Expected {" or ".join(losses)}.ARGUMENT=VALUE, or a key of '
                f'the config for the name, but got {setting!r}.'
            )
        for part in path:
            place = place.setdefault(part, {})
            if isinstance(place, Commented):
                place = place.value
        place[last] = _value(text)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def config_text(
    title: str, network: Network, keys: Mapping, file: Path, command: str
) -> str:
    """Return the text of a config at `file` that inherits a network's."""
    for base in network.bases:
        if '::' not in base:
            check_inheritable(base, file.name)
    bases = [beside(base, file) for base in network.bases]
    lines = [f'"""{title}', '', f'Written by: {command}']
    scale = network.config.get('auto_scale_lr', {}).get('base_batch_size')
    if scale:
        lines.append(
            f'The learning rate is for {scale} images a step; --auto-scale-lr '
            'fits it to yours.'
        )
    lines += ['"""', '']
    if len(bases) == 1:
        lines.append(f'_base_ = {bases[0]!r}')
    else:
        listed = ',\n    '.join(map(repr, bases))
        lines.append(f'_base_ = [\n    {listed}]')
    return '\n'.join([*lines, *assignments(keys)]) + '\n'
