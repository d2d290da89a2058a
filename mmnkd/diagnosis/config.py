"""What is wrong with a config, before anything is built from it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from mmengine.config import Config
from mmengine.registry import MODELS
from mmpretrain.registry import DATASETS

from ..cache.store import Store
from ..checkpoint import check_file
from ..losses.base import FeatureLoss
from ..registry import arguments_of
from ..taps import tap_names
from ..teacher.source import read_source
from .classes import compare_classes
from .data import compare_counts
from .finding import Finding, error, warning
from .keys import check_keys
from .networks import check_class_indices, reads_logits
from .schedules import check_learning_rate, check_schedules

__all__ = ['check_config']

# Of cls_KD and of MMRazor, which distill by a model around two others.
_FOREIGN = {
    'algorithm',
    'architecture',
    'distill_cfg',
    'distiller',
    'init_student',
    'is_vit',
    'student_cfg',
    'student_recorders',
    'teacher_cfg',
    'teacher_ckpt',
    'teacher_pretrained',
    'teacher_recorders',
    'use_logit',
}


def check_config(
    config: Union[str, Path, Config], options: Iterable[str] = ()
) -> list[Finding]:
    """Look at a config; nothing is built and nothing is downloaded.

    Args:
        config: A file, or what was read of it and perhaps changed by options.
        options: Keys of these options, dotted.

    Returns:
        ``dead-key``, ``foreign-key``, ``teacher-file``, ``model-type``,
        ``class-count``, ``class-order``, ``class-indices``,
        ``schedule-epochs`` (errors), ``class-names``, ``no-losses``,
        ``schedule-end``, ``lr-schedule`` (warnings).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no Python.
    """
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    findings = check_keys(config, options)
    length = config.get('train_cfg') or {}
    epochs, iterations = length.get('max_epochs'), length.get('max_iters')
    schedulers = _listed(config.get('param_scheduler'))
    findings += check_learning_rate(schedulers, epochs, iterations)
    model = config.get('model')
    if not isinstance(model, Mapping):
        return findings
    foreign = sorted(_FOREIGN & model.keys())
    if foreign:
        return findings + error(
            'foreign-key',
            'Expected the config of a student with `teacher` and '
            f'`distill_losses`, but `model` has {foreign}, keys of another '
            'framework.',
            "Take the student's own model config, with "
            "type='DistilledClassifier', teacher=dict(model=..., "
            "checkpoint=...) and distill_losses=dict(nkd=dict(type='NKDLoss'"
            ')).',
        )
    scope = config.get('default_scope') or 'mmpretrain'
    findings += _check_type(model, scope)
    if 'distill_losses' not in model:
        return findings
    if not model['distill_losses']:
        findings += warning(
            'no-losses',
            'Expected some `distill_losses`, but there are none: the student '
            'trains alone.',
            "Add distill_losses=dict(nkd=dict(type='NKDLoss')), or leave out "
            '`teacher` and `distill_losses`.',
        )
    findings += check_schedules(_schedules(model), epochs, iterations)
    classes = _classes_of(model)
    names = _names_of_data(config.get('train_dataloader') or {})
    if classes and names:
        findings += compare_counts(len(names), classes)
    taps = _teacher_taps(model['distill_losses'], scope)
    for who, teacher in _teachers(model.get('teacher')):
        read = reads_logits(taps, who)
        expected = (classes, names) if read else (None, None)
        findings += _check_teacher(who, teacher, *expected)
    return findings


def _check_type(model: Mapping[str, Any], scope: str) -> list[Finding]:
    """Expect a type that takes the keys of a distilled model."""
    keys = [key for key in ('teacher', 'distill_losses') if key in model]
    kind = model.get('type')
    scope = model.get('_scope_', scope)
    with MODELS.switch_scope_and_registry(scope) as registry:
        found = registry.get(kind) if isinstance(kind, str) else kind
        near = f'Distilled{kind}'.replace('Image', '')
        if registry.get(near) is None:
            near = 'DistilledClassifier'
    if not keys or found is None or 'distill_losses' in arguments_of(found):
        return []
    return error(
        'model-type',
        f'Expected a `model.type` that distills, as there is '
        f'{" and ".join(f"`{key}`" for key in keys)}, but got {kind!r}.',
        f'Write type={near!r}.',
    )


def _schedules(model: Mapping[str, Any]) -> dict[str, list[Mapping]]:
    """Return the schedulers of weights, by the name of the loss."""
    schedules = {'student': model.get('student_loss_schedule')}
    losses = model['distill_losses']
    if isinstance(losses, Mapping):
        for name, loss in losses.items():
            if isinstance(loss, Mapping):
                schedules[name] = loss.get('weight_schedule')
    return {name: _listed(given) for name, given in schedules.items()}


def _listed(schedulers: Any) -> list[Mapping]:
    """Return the configs among one scheduler, several or none."""
    if isinstance(schedulers, Mapping):
        return [schedulers]
    if not isinstance(schedulers, (list, tuple)):
        return []
    return [one for one in schedulers if isinstance(one, Mapping)]


def _teachers(teacher: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the configs of teachers that could be built."""
    several = isinstance(teacher, (list, tuple))
    for number, one in enumerate(teacher if several else [teacher]):
        if isinstance(one, Mapping):
            yield f'teacher[{number}]' if several else 'teacher', one


def _teacher_taps(losses: Any, scope: str) -> set[str]:
    """Return what losses read of the teachers, as far as configs tell."""
    taps: set[str] = set()
    given = losses.values() if isinstance(losses, Mapping) else ()
    for loss in given:
        if not isinstance(loss, Mapping):
            continue
        kind = loss.get('type')
        with MODELS.switch_scope_and_registry(scope) as registry:
            found = registry.get(kind) if isinstance(kind, str) else kind
        own = getattr(found, 'teacher_taps', 'logits')
        of_features = inspect.isclass(found) and issubclass(found, FeatureLoss)
        if of_features or isinstance(own, property):
            own = None  # only an instance tells
        taps.update(tap_names(loss.get('teacher_taps') or own))
    return taps


def _check_teacher(
    who: str,
    teacher: Mapping[str, Any],
    classes: Optional[int],
    names: Optional[Sequence[str]],
) -> list[Finding]:
    try:
        own, known = _look_for(teacher)
    except (OSError, ValueError) as raised:
        return error(
            'teacher-file',
            f'In `{who}`: {raised}',
            f'Look at `model.{who}`; relative paths start at the current '
            'folder.',
        )
    findings = []
    indices = teacher.get('class_indices')
    if isinstance(indices, (list, tuple)):
        findings += check_class_indices(indices, who, own)
        if classes and len(indices) != classes:
            findings += error(
                'class-count',
                f'Expected `{who}.class_indices` to have an index for each of '
                f"the student's {classes} classes, but it has {len(indices)}.",
                "Give the teacher's class for each of the student's, in "
                'order.',
            )
    elif classes and own and classes != own:
        findings += error(
            'class-count',
            'Expected student and teacher to have the same classes, but the '
            f'student has {classes} and `{who}` {own}.',
            f'Set `{who}.class_indices` to the index of each of the '
            "student's classes among the teacher's.",
        )
    if not findings and names and known and len(known) == own:
        findings += compare_classes(known, names, f'`{who}`', indices)
    return findings


def _look_for(
    teacher: Mapping[str, Any],
) -> tuple[Optional[int], Optional[Sequence[str]]]:
    """Expect a teacher's files.

    Returns:
        How many classes it has, and their names, each None if not told.
    """
    if isinstance(teacher.get('cache'), (str, Path)):
        store = Store.load(Path(teacher['cache']).expanduser())
        return store.classes, None
    checkpoint = teacher.get('checkpoint')
    is_url = str(checkpoint).startswith(('http://', 'https://'))
    if isinstance(checkpoint, (str, Path)) and not is_url:
        check_file('checkpoint file', str(checkpoint))
    model: Any = teacher.get('model')
    if isinstance(model, (str, Path, dict)):
        source = read_source(model)
        return _classes_of(source.config), _names_of_data(source.loader or {})
    return None, None


def _classes_of(model: Mapping[str, Any]) -> Optional[int]:
    """Return how many classes a model's config tells, None if it doesn't."""
    head = model.get('head')
    count = (head if isinstance(head, Mapping) else model).get('num_classes')
    return count if isinstance(count, int) else None


def _names_of_data(loader: Mapping[str, Any]) -> Optional[Sequence[str]]:
    """Return the names of classes that a data set has before it is read."""
    dataset = loader.get('dataset')
    while isinstance(dataset, Mapping):
        told = (dataset.get('metainfo') or {}).get('classes')
        told = told or dataset.get('classes')
        if isinstance(told, (list, tuple)):
            return told
        if 'dataset' not in dataset:
            kind = DATASETS.get(str(dataset.get('type')))
            return (getattr(kind, 'METAINFO', None) or {}).get('classes')
        dataset = dataset['dataset']
    return None
