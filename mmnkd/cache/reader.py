"""A teacher whose outputs were stored: it looks them up by (epoch, index)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn

from ..functional.tensors import target_of
from .store import Store, differences, library_versions, own

__all__ = ['CachedTeacher', 'check_only_logits', 'check_unmixed']


class CachedTeacher:
    """Answer with stored logits in place of a network's.

    Args:
        cache: Folder that ``mmnkd cache`` wrote.
        weights: Hash of the teacher's weights, which must be the store's; None
            for any.

    Raises:
        TypeError: `cache` is no path.
    """

    network: None = None  # of a live teacher, its network

    def __init__(
        self, cache: Union[str, os.PathLike], *, weights: Optional[str] = None
    ) -> None:
        if not isinstance(cache, (str, os.PathLike)):
            raise TypeError(
                f'Expected `teacher.cache` to be a folder, but got {cache!r}.'
            )
        self.folder = Path(cache).expanduser()
        self.weights = weights
        self._store: Optional[Store] = None
        self._read: Any = None  # returns a block's rows
        self._replay: Optional[str] = None  # checked

    def __deepcopy__(self, memo: dict) -> CachedTeacher:
        return self  # as a live teacher does

    def __reduce__(self) -> tuple:  # it is pickled unbuilt
        return partial(CachedTeacher, weights=self.weights), (self.folder,)

    def __repr__(self) -> str:
        return f'teacher stored in {str(self.folder)!r}'

    @property
    def is_built(self) -> bool:
        """Return whether the store was checked."""
        return self._store is not None

    def build(
        self,
        student_preprocessor: nn.Module,
        taps: Collection[str] = ('logits',),
    ) -> None:
        """Check the store, every block of it, before training.

        Raises:
            FileNotFoundError: There is no store.
            ValueError: It isn't whole, is another teacher's, or holds no such
                outputs; or images are mixed in a batch.
        """
        check_only_logits(taps)
        check_unmixed(student_preprocessor)
        if self.is_built:
            return
        store = Store.load(self.folder)
        if self.weights not in (None, store.teacher.get('weights')):
            raise ValueError(
                f'Expected {str(self.folder)!r} to hold the outputs of a '
                f'teacher whose weights have the hash {self.weights!r}, but '
                f'it has those of {store.teacher.get("weights")!r}. Run '
                '`mmnkd cache` for this teacher, with another --out.'
            )
        if store.missing:
            raise ValueError(
                f'Expected a whole store in {str(self.folder)!r}, but '
                f'{len(store.missing)} of {len(store.blocks)} blocks are '
                'missing. Run the same `mmnkd cache` again: it goes on after '
                'the last one.'
            )
        for block in own(store.blocks):
            store.check(block)
        unlike = differences(store.versions, library_versions())
        if unlike:
            print_log(
                'Libraries are other than when the teacher was stored: '
                f'{unlike}. Views are the same only if these draw and resize '
                'images alike.',
                'current',
                logging.WARNING,
            )
        self._store = store
        # As many as an epoch has, so that a pass that is over is closed.
        self._read = lru_cache(store.blocks_an_epoch)(store.read)
        print_log(
            f'The teacher is stored in {str(self.folder)!r}: '
            f'{store.epochs} epochs of {store.count} views, '
            f'{store.topk or "all"} of {store.classes} logits each',
            'current',
        )

    def untrained(
        self, student_preprocessor: nn.Module, taps: Collection[str]
    ) -> Callable[[Tensor, Collection[str]], dict[str, Any]]:
        """Return what answers with logits of the right size."""
        check_only_logits(taps)
        classes = Store.load(self.folder).classes
        return lambda images, taps: {
            'logits': images.new_zeros(len(images), classes)
        }

    @torch.no_grad()
    def __call__(
        self,
        images: Tensor,
        taps: Collection[str] = ('logits',),
        samples: Optional[Sequence[Any]] = None,
    ) -> dict[str, Any]:
        """Look up the samples' logits.

        Args:
            images: Say on which device.
            taps: ``'logits'``.
            samples: Of a :class:`ReplayedDataset`.

        Returns:
            (N, C) float32 logits by tap.

        Raises:
            RuntimeError: :meth:`build` was not called.
            ValueError: The samples don't replay, or the store holds views of
                something else, or no such epoch.
        """
        store = self._store
        if store is None:
            raise RuntimeError('Expected `build()` before the first images.')
        if not samples or not hasattr(samples[0], 'replay'):
            raise ValueError(
                'Expected samples that say which view they are, for a stored '
                'teacher, but these do not. Train on a ReplayedDataset with a '
                'ReplayedSampler, as the `cached.py` beside the store does.'
            )
        if samples[0].replay != self._replay:
            _check_views(store, samples[0].replay, len(samples))
            self._replay = samples[0].replay
        views = [sample.view for sample in samples]
        epoch, index = (max(numbers) for numbers in zip(*views))
        if epoch >= store.epochs or index >= store.count:
            raise ValueError(
                f'Expected views in {str(self.folder)!r}, which has '
                f'{store.epochs} epochs of {store.count} samples, but got '
                f'sample {index} or epoch {epoch} (from 0). '
                + _too_few_epochs(store.epochs)
            )
        size, blocks = store.block_size, store.blocks_an_epoch
        rows = [
            self._read(epoch * blocks + index // size)[index % size]
            for epoch, index in views
        ]
        target = None if store.topk is None else target_of(samples)
        packed = torch.from_numpy(np.concatenate(rows).reshape(len(rows), -1))
        return {'logits': store.rows.unpack(packed, target, images.device)}


def check_only_logits(taps: Collection[str]) -> None:
    """Expect losses on logits."""
    others = sorted(t for t in taps if t.split('.')[-1] != 'logits')
    if others:
        raise ValueError(
            'Expected losses that read the logits alone of a stored teacher, '
            f'but some of `distill_losses` read {others}. Features and heads '
            'are not stored: leave these losses out, or take the live '
            'teacher, teacher=dict(model=..., checkpoint=...).'
        )


def check_unmixed(preprocessor: nn.Module) -> None:
    """Expect images that don't depend on the batch: no MixUp or CutMix."""
    mixing = getattr(preprocessor, 'batch_augments', None)
    if mixing is not None:
        names = [type(a).__name__ for a in getattr(mixing, 'augments', ())]
        raise ValueError(
            'Expected views that depend on (epoch, index) alone, but the '
            'images of a batch are mixed after the data set, by '
            f'{" and ".join(names) or "batch_augments"}. Leave out `augments` '
            'of `model.train_cfg` (or `batch_augments` of '
            '`data_preprocessor`), or take the live teacher.'
        )


def _check_views(store: Store, replay: str, batch_size: int) -> None:
    """Expect samples drawn as the stored ones, and enough epochs."""
    views = json.loads(replay)
    wrap = views.pop('wrap', None)
    unlike = differences(store.views, views)
    if unlike:
        raise ValueError(
            f'Expected views as in {str(store.folder)!r}, but these are '
            f'drawn otherwise: {unlike}. Train on the data set, pipeline and '
            'seed that were stored, or run `mmnkd cache` for these.'
        )
    info = MessageHub.get_current_instance().runtime_info
    if 'loop_stage' not in info:  # no Runner trains
        return
    length = -(-store.count // (batch_size * get_world_size()))
    by_iterations = -(-info.get('max_iters', 0) // length)
    needed = max(info.get('max_epochs', 0), by_iterations)
    needed = min(needed, wrap or needed)
    if needed > store.epochs:
        raise ValueError(
            f'Expected {needed} epochs in {str(store.folder)!r}, but it has '
            f'{store.epochs}. {_too_few_epochs(store.epochs)}'
        )


def _too_few_epochs(epochs: int) -> str:
    return (
        'Store more epochs (mmnkd cache … --epochs), or let views repeat: '
        f'train_dataloader.dataset.epochs={epochs}.'
    )
