"""Transforms that draw from a generator of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

__all__ = ['seedable_transforms']

_GENERATORS = (
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    torch.Generator,
)
_WITHOUT_PARTS = (str, bytes, int, float, type, np.ndarray, torch.Tensor)


def seedable_transforms(dataset: Any) -> list[Any]:
    """Find what is to be seeded beside the global generators.

    Args:
        dataset: A data set of mmengine, or one around others.

    Returns:
        Objects with ``set_random_seed(seed)``, as Albumentations' Compose.

    Raises:
        ValueError: A transform's own generator can't be seeded.
    """
    found: list[Any] = []
    seen: set[int] = set()
    for pipeline in _pipelines(dataset):
        for transform in getattr(pipeline, 'transforms', ()):
            _collect(transform, type(transform).__name__, found, seen)
    return found


def _pipelines(dataset: Any) -> Iterator[Any]:
    if hasattr(dataset, 'pipeline'):
        yield dataset.pipeline
    inner = [getattr(dataset, 'dataset', None)]
    for part in [*inner, *getattr(dataset, 'datasets', ())]:
        if part is not None:
            yield from _pipelines(part)


def _collect(value: Any, name: str, found: list, seen: set[int]) -> None:
    if isinstance(value, _WITHOUT_PARTS) or id(value) in seen:
        return
    seen.add(id(value))
    if hasattr(value, 'set_random_seed'):
        found.append(value)
        return
    if isinstance(value, _GENERATORS):
        raise ValueError(
            'Expected transforms that draw from the global generators, or '
            f'have `set_random_seed`, but {name} has a '
            f'{type(value).__name__} of its own, whose draws can not be '
            'replayed. Leave it out, or take a version that can be seeded '
            '(Albumentations 1.4.21 or newer).'
        )
    parts: Any = value if isinstance(value, (list, tuple, set)) else ()
    if isinstance(value, dict):
        parts = value.values()
    for part in [*parts, *getattr(value, '__dict__', {}).values()]:
        if not callable(part) or hasattr(part, '__dict__'):
            _collect(part, name, found, seen)
