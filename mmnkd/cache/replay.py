"""Views that can be drawn again: one seed for each (epoch, sample).

The sampler names a view, the data set draws it and writes its name on the
sample. So images are the same bit for bit whatever the workers, the ranks, the
batches and the student, and after a resume.
"""

from __future__ import annotations

import gc
import hashlib
import inspect
import json
import random
import struct
from collections.abc import Iterator, Mapping, Sized
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.logging import MessageHub
from mmengine.registry import DATA_SAMPLERS as ROOT_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmpretrain.datasets import RepeatAugSampler
from mmpretrain.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import Dataset, Sampler

from ..functional.checks import check_count
from .fingerprint import fingerprint, pipeline_hash

__all__ = ['ReplayedDataset', 'ReplayedSampler']

_numpy: Any = np.random  # whose types lack get_ and set_bit_generator
_GENERATORS = (
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    torch.Generator,
)


@ROOT_DATASETS.register_module()
class ReplayedDataset(Dataset):
    """Draw each view from a seed of its own.

    The numbers that a view is drawn from depend on `seed`, the epoch and the
    index alone. Python's, NumPy's and torch's global generators go on
    afterwards as if nothing had been drawn; only a second normal number that
    NumPy has put by is lost.

    Args:
        dataset: The data set or its config. Its pipeline ends in PackInputs.
        seed: Seed of the views. It isn't the Runner's, so that runs of several
            seeds can see the same views.
        epochs: After this many epochs the views start again; None for never.

    Attributes:
        replay: What the views are drawn from, as JSON, which every sample
            carries beside its view.

    Raises:
        TypeError, ValueError: A transform has a generator that can't be
            seeded, or an argument has a value that it can't have.
    """

    def __init__(
        self,
        dataset: Union[Dataset, dict],
        *,
        seed: int = 0,
        epochs: Optional[int] = None,
    ) -> None:
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise ValueError(
                f'Expected `seed` to be an int >= 0, but got {seed!r}.'
            )
        check_count('epochs', epochs)
        self._pipeline = pipeline_hash(dataset)
        if isinstance(dataset, Mapping):
            dataset = DATASETS.build(dataset)
        self.dataset: Any = dataset
        self.seed = seed
        self.epochs = epochs
        self.replay = ''
        self._own_numpy = np.random.PCG64()
        self._seedable = _seedable_transforms(dataset)

    @property
    def metainfo(self) -> dict:
        """Return the data set's, such as the classes."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Read the annotations, and see which data set it is."""
        if self.replay:
            return
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()
        views: dict[str, Any] = fingerprint(self.dataset)
        views.update(pipeline=self._pipeline, seed=str(self.seed))
        if self.epochs:
            views['wrap'] = self.epochs
        self.replay = json.dumps(views)

    def get_data_info(self, index: int) -> dict:
        """Return a sample's annotation."""
        return self.dataset.get_data_info(index)

    def get_cat_ids(self, index: int) -> list[int]:
        """Return a sample's classes."""
        return self.dataset.get_cat_ids(index)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, view: tuple[int, int]) -> dict:
        """Draw the view (epoch, index), as :class:`ReplayedSampler` yields.

        Raises:
            TypeError: Another sampler's, or the samples can't carry it.
        """
        if not isinstance(view, tuple):
            raise TypeError(
                f'Expected the (epoch, index) of a view, but got {view!r}. '
                'Put a ReplayedSampler around the sampler: '
                "sampler=dict(type='ReplayedSampler', sampler=...)."
            )
        epoch, index = view
        if self.epochs:
            epoch %= self.epochs
        self.full_init()
        python = random.getstate()
        numpy = _numpy.get_bit_generator()
        pytorch = torch.default_generator.get_state()
        try:
            self._seed_all(epoch, index)
            data = self.dataset[index]
        finally:
            random.setstate(python)
            _numpy.set_bit_generator(numpy)
            torch.default_generator.set_state(pytorch)
        sample: Any = isinstance(data, Mapping) and data.get('data_samples')
        if not hasattr(sample, 'set_field'):
            raise TypeError(
                "Expected a data set whose pipeline ends in 'PackInputs', "
                f'which makes `data_samples`, but got {type(data).__name__} '
                'without.'
            )
        sample.set_field((epoch, index), 'view', field_type='metainfo')
        sample.set_field(self.replay, 'replay', field_type='metainfo')
        return data

    def _seed_all(self, epoch: int, index: int) -> None:
        # torch.manual_seed and np.random.seed and set_state cost 50 to 100 µs.
        key = struct.pack('<3q', self.seed, epoch, index)
        drawn = hashlib.blake2b(key, digest_size=48).digest()
        python, pytorch, *words = struct.unpack('<6Q', drawn)
        random.seed(python)
        torch.default_generator.manual_seed(pytorch)
        state = words[0] | words[1] << 64
        self._own_numpy.state = {
            'bit_generator': 'PCG64',
            'state': {'state': state, 'inc': words[2] | words[3] << 64 | 1},
            'has_uint32': 0,
            'uinteger': 0,
        }
        _numpy.set_bit_generator(self._own_numpy)
        for transform in self._seedable:
            transform.set_random_seed(python % 2**32)


@ROOT_SAMPLERS.register_module()
class ReplayedSampler(Sampler):
    """Yield (epoch, index) where a sampler yields the index.

    Under an InfiniteSampler the epoch is the number of the pass over the data.

    Args:
        sampler: The sampler or its config.
        dataset: A :class:`ReplayedDataset`.
        seed: Of the order, for the sampler.

    Raises:
        TypeError: `dataset` doesn't replay.
        ValueError: The sampler's views can't be replayed.
    """

    def __init__(
        self,
        sampler: Union[Sampler, dict],
        dataset: Sized,
        seed: Optional[int] = None,
    ) -> None:
        if not hasattr(dataset, 'replay'):  # the Runner may slice it
            raise TypeError(
                'Expected a ReplayedDataset, but got '
                f'{type(dataset).__name__}. Put one around it: '
                "dataset=dict(type='ReplayedDataset', dataset=...)."
            )
        if isinstance(sampler, Mapping):
            defaults = {'dataset': dataset, 'seed': seed}
            sampler = DATA_SAMPLERS.build(sampler, default_args=defaults)
        if isinstance(sampler, RepeatAugSampler):
            raise ValueError(
                'Expected a sampler that draws a sample once an epoch, but '
                'RepeatAugSampler draws it several times, and (epoch, index) '
                'would name several views. Use DefaultSampler.'
            )
        if not hasattr(sampler, 'set_epoch'):
            raise ValueError(
                'Expected a sampler with `set_epoch`, which says what number '
                f'a pass has, but {type(sampler).__name__} has none. Use '
                'DefaultSampler or InfiniteSampler.'
            )
        self.sampler: Any = sampler
        self.epoch: Optional[int] = None  # of the next pass
        self._is_new = True
        self._yielded = 0  # by an InfiniteSampler

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass, as mmengine's hook does."""
        self.sampler.set_epoch(epoch)
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        inner = self.sampler
        if isinstance(inner, InfiniteSampler):
            for index in inner:
                place = self._yielded * inner.world_size + inner.rank
                self._yielded += 1
                yield place // inner.size, index
            return
        epoch = self._take_epoch()
        for index in inner:
            yield epoch, index

    def _take_epoch(self) -> int:
        """Return the next pass's epoch; no two passes have one."""
        epoch, self.epoch = self.epoch, None
        info = MessageHub.get_current_instance().runtime_info
        # An iteration-based loop starts its first pass before any hook.
        if self._is_new and info.get('loop_stage') != 'train':
            epoch = epoch or 0
        self._is_new = False
        if epoch is None:
            raise RuntimeError(
                'Expected `set_epoch()` before each pass, but it was not '
                "called: views would repeat. mmengine's DistSamplerSeedHook "
                'does it. Leave `sampler_seed` in `default_hooks`.'
            )
        return epoch


def _seedable_transforms(dataset: Any) -> list[Any]:
    """Find what is to be seeded beside the global generators.

    It has a ``set_random_seed(seed)``, as Albumentations' Compose.
    """
    found = []
    seen: set[int] = set()
    left = [(type(t).__name__, t) for t in _transforms(dataset)]
    while left:
        name, value = left.pop()
        if id(value) in seen or _is_foreign(value):
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


def _is_foreign(value: Any) -> bool:
    """Tell whether a value belongs to others, or can be large."""
    kinds = inspect.isclass, inspect.ismodule, inspect.isroutine
    is_large = isinstance(value, (np.ndarray, torch.Tensor))
    return is_large or any(is_kind(value) for is_kind in kinds)


def _transforms(dataset: Any) -> Iterator[Any]:
    yield from getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    inner = [getattr(dataset, 'dataset', None)]
    for part in [*inner, *getattr(dataset, 'datasets', ())]:
        if part is not None:
            yield from _transforms(part)
