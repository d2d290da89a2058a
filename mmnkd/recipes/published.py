"""The configs that mmnkd ships, and the published values in them."""

from __future__ import annotations

import ast
import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from modelindex.load_model_index import load

from ..cli.configs import configs_folder
from .networks import Network

__all__ = ['Card', 'Published', 'describe', 'losses', 'nearest', 'shipped']

# The data that papers publish values for.
DATA = ('CIFAR-100', 'ImageNet-1k')
# What of a config's model belongs to the loss.
KEYS = ('student_loss_weight', 'student_loss_schedule', 'distill_losses')


class Published(NamedTuple):
    """Hold a loss with values for a pair of networks.

    Attributes:
        config: The shipped config that they are from.
        model: The model's keys that they are.
        is_exact: Whether it is that very pair.
    """

    config: Path
    model: dict[str, Any]
    is_exact: bool


class Card(NamedTuple):
    """Hold what the metafiles say of a shipped config.

    Attributes:
        config: Its file.
        facts: Student, teacher, training data and so on.
        results: Top-1 accuracies (%) by data set.
    """

    config: Path
    facts: dict[str, Any]
    results: dict[str, float]


@lru_cache(maxsize=1)
def shipped() -> list[Card]:
    """Return the cards of all shipped configs."""
    root = configs_folder().parent
    index = load(str(root / 'model-index.yml'))
    shared = {c.name: _facts(c) for c in index.collections}
    cards = [
        Card(
            root / model.config,
            {**shared[model.in_collection], **_facts(model)},
            {
                result.dataset: result.metrics['Top 1 Accuracy']
                for result in model.results or ()
            },
        )
        for model in index.models
    ]
    known = {card.config for card in cards}
    return cards + [
        Card(path, {}, {})  # configs to start from have no card
        for path in sorted(configs_folder().glob('[!_]*/*.py'))
        if path not in known
    ]


def _facts(described: Any) -> dict[str, Any]:
    return described.metadata.data if described.metadata else {}


def losses() -> dict[str, list[Path]]:
    """Return the losses with published values, and their configs."""
    found: dict[str, list[Path]] = {}
    for card in shipped():
        if _is_distilled(card) and card.facts.get('Training Data') in DATA:
            name = card.config.stem.split('_')[0].replace('-', '_')
            found.setdefault(name, []).append(card.config)
    return dict(sorted(found.items()))


def nearest(loss: str, student: Network, teacher: Any) -> Published:
    """Find the published values of a loss for the most similar pair."""
    name = loss.replace('-', '_')
    known = losses()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        told = f'Nearest: {near[0]}. ' if near else ''
        raise ValueError(
            f'Expected a loss of {", ".join(known)}, but got {loss!r}. {told}'
            '`mmnkd list losses` says what they are.'
        )
    ending = '_cifar100' if student.image_size <= 64 else '_in1k'
    paths = [p for p in known[name] if p.stem.endswith(ending)] or known[name]
    configs = {path: _read(path) for path in paths}
    has_teacher = any('teacher' in c.model for c in configs.values())
    _check_teacher(name, has_teacher, teacher)
    alike = {path: _alike(configs[path], student, teacher) for path in configs}
    of_paper = {path: "the paper's" in describe(path)[1] for path in alike}
    best = max(alike, key=lambda path: (*alike[path], of_paper[path]))
    model = {k: v for k, v in configs[best].model.items() if k in KEYS}
    values = Config(model).to_dict()
    is_exact = alike[best].student and alike[best].teacher
    if not is_exact:  # mmnkd measures the channels of other networks
        _drop_channels(values['distill_losses'])
    return Published(best, values, is_exact)


def describe(path: Path) -> tuple[str, str]:
    """Return what a shipped config says of its values, and its result."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf8'))) or ''
    lines = [line for line in text.splitlines() if line[:1].strip()]
    result = [line for line in lines if line.startswith('Top-1')]
    about = [
        line.replace('No number of the paper is known.', '').strip()
        for line in lines
        if line not in result and not line.startswith('First train')
    ]
    return ' '.join(filter(None, about)), ' '.join(result)


@lru_cache
def _read(path: Path) -> Config:
    return Config.fromfile(path)


class _Alike(NamedTuple):
    """Say what two pairs have in common, the weightiest first."""

    student: bool
    logits: bool
    backbone: bool
    teacher: bool
    optimizer: bool


def _alike(config: Config, student: Network, teacher: Any) -> _Alike:
    backbone = student.config.get('model', {}).get('backbone', {})
    optimizers = (
        c.optim_wrapper.optimizer.type for c in (config, student.config)
    )
    own = config.model.get('teacher', {}).get('model')
    return _Alike(
        student=config.model.backbone == backbone,
        logits='_taps' not in str(config.model.distill_losses),
        teacher=own == (teacher and (teacher.model or teacher.bases[0])),
        backbone=config.model.backbone.type == backbone.get('type'),
        optimizer=len(set(optimizers)) == 1,
    )


def _drop_channels(losses: dict[str, dict]) -> None:
    for loss in losses.values():
        for key in [key for key in loss if key.endswith('_channels')]:
            del loss[key]


def _check_teacher(loss: str, has_teacher: bool, teacher: Any) -> None:
    if has_teacher and teacher is None:
        raise ValueError(
            f'Expected a teacher, which {loss} compares the student with, but '
            'got none. Name one after the student, or take --loss tf_nkd.'
        )
    if teacher is not None and not has_teacher:
        raise ValueError(
            f'Expected no teacher, which {loss} has no use for, but got '
            f'{teacher.name}. Leave it out, or take --loss nkd.'
        )


def _is_distilled(card: Card) -> bool:
    techniques = card.facts.get('Training Techniques', ())
    return any('istillation' in technique for technique in techniques)
