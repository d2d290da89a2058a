"""Transforms that draw from a generator of their own."""

from __future__ import annotations

import gc
import random
import types
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
_NOT_OWN = (  # belongs to others, or can be large
    type,
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    np.ndarray,
    torch.Tensor,
)


def seedable_transforms(dataset: Any) -> list[Any]:
    """Find what is to be seeded beside the global generators.

    Args:
        dataset: A data set of mmengine, or one around others.

    Returns:
        Objects with ``set_random_seed(seed)``, as Albumentations' Compose.

    Raises:
        ValueError: A transform's own generator can't be seeded.
    """
    found = []
    seen: set[int] = set()
    left = [(type(t).__name__, t) for t in _transforms(dataset)]
    while left:
        name, value = left.pop()
        if id(value) in seen or isinstance(value, _NOT_OWN):
            continue
        seen.add(id(value))
        if hasattr(value, 'set_random_seed'):
            found.append(value)
        elif isinstance(value, _GENERATORS):
            raise ValueError(
                'Expected transforms that draw from the global generators, or '
                f'have `set_random_seed`, but {name} has a '
                f'{type(value).__name__} of its own. Leave it out, or take a '
                'version that can be seeded (Albumentations 1.4.21 or newer).'
            )
        else:
            left += [(name, part) for part in gc.get_referents(value)]
    return found


def _transforms(dataset: Any) -> Iterator[Any]:
    yield from getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    inner = [getattr(dataset, 'dataset', None)]
    for part in [*inner, *getattr(dataset, 'datasets', ())]:
        if part is not None:
            yield from _transforms(part)
