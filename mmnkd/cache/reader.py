"""A teacher whose outputs were stored: it looks them up by (epoch, index)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.dist import get_dist_info, get_world_size
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn

from .checks import check_only_logits, check_unmixed, targets
from .store import (
    Block,
    Manifest,
    check_block,
    library_versions,
    open_block,
)

__all__ = ['CachedTeacher']


class CachedTeacher:
    """Answer with stored logits in place of a network's.

    Args:
        cache: Folder that ``mmnkd cache`` wrote.
        weights: Hash of the teacher's weights, which must be the store's; None
            for any.

    Attributes:
        network: None: there is no network.
        is_built: Whether the store was checked.

    Raises:
        TypeError: `cache` is no path.
    """

    network: None = None

    def __init__(
        self,
        cache: Union[str, os.PathLike],
        *,
        weights: Optional[str] = None,
    ) -> None:
        if not isinstance(cache, (str, os.PathLike)):
            raise TypeError(
                f'Expected `teacher.cache` to be a folder, but got {cache!r}.'
            )
        self.folder = Path(cache).expanduser()
        self.weights = weights
        self.is_built = False
        self._manifest: Any = None
        self._blocks: dict[Block, np.ndarray] = {}
        self._checked: Optional[str] = None  # how views are drawn

    def __deepcopy__(self, memo: dict) -> CachedTeacher:
        return self  # as a live teacher does

    def __getstate__(self) -> dict:
        unbuilt: dict[str, Any] = {'is_built': False, '_manifest': None}
        return {**vars(self), **unbuilt, '_blocks': {}, '_checked': None}

    def __repr__(self) -> str:
        return f'teacher stored in {str(self.folder)!r}'

    def build(
        self,
        student_preprocessor: nn.Module,
        taps: Collection[str] = ('logits',),
    ) -> None:
        """Check the store, every block of it, before training.

        Args:
            student_preprocessor: What the student's images go through.
            taps: What will be asked for.

        Raises:
            FileNotFoundError: There is no store.
            ValueError: It isn't whole, is another teacher's, or holds no such
                outputs; or images are mixed in a batch.
        """
        check_only_logits(taps)
        check_unmixed(student_preprocessor)
        if self.is_built:
            return
        manifest = Manifest.load(self.folder)
        if self.weights not in (None, manifest.teacher.get('weights')):
            raise ValueError(
                f'Expected {str(self.folder)!r} to hold the outputs of a '
                f'teacher whose weights have the hash {self.weights!r}, but '
                f'it has those of {manifest.teacher.get("weights")!r}. Run '
                '`mmnkd cache` for this teacher, with another --out.'
            )
        _check_blocks(self.folder, manifest)
        _compare_versions(manifest)
        self._manifest = manifest
        self.is_built = True
        print_log(
            f'The teacher is stored in {str(self.folder)!r}: '
            f'{manifest.epochs} epochs of {manifest.count} views, '
            f'{"all" if manifest.topk is None else manifest.topk} of '
            f'{manifest.classes} logits each',
            'current',
        )

    def untrained(
        self, student_preprocessor: nn.Module, taps: Collection[str]
    ) -> Callable[[Tensor, Collection[str]], dict[str, Any]]:
        """Return what answers with logits of the right size."""
        check_only_logits(taps)
        classes = Manifest.load(self.folder).classes

        def answer(images: Tensor, taps: Collection[str]) -> dict[str, Any]:
            return {'logits': images.new_zeros(len(images), classes)}

        return answer

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
        if not self.is_built:
            raise RuntimeError('Expected `build()` before the first images.')
        check_only_logits(taps)
        views = _views(samples or ())
        self._check_views(samples, len(views))
        rows = self._look_up(views)
        target = None
        if self._manifest.topk is not None:
            target = targets(samples)
        logits = self._manifest.rows.unpack(rows, target, images.device)
        return {'logits': logits}

    def _look_up(self, views: Sequence[tuple[int, int]]) -> Tensor:
        """Return (N, length) rows."""
        epochs = {epoch for epoch, _ in views}
        for block in [b for b in self._blocks if b.epoch not in epochs]:
            del self._blocks[block]  # of a pass that is over
        rows = [self._row_of(epoch, index) for epoch, index in views]
        return torch.from_numpy(np.stack(rows))

    def _row_of(self, epoch: int, index: int) -> np.ndarray:
        number, place = divmod(index, self._manifest.block_size)
        block = Block(epoch, number)
        if block not in self._blocks:
            self._expect(epoch, index)
            mapped = open_block(self.folder, block, self._manifest)
            self._blocks[block] = mapped.numpy()
        return self._blocks[block][place]

    def _expect(self, epoch: int, index: int) -> None:
        manifest = self._manifest
        if epoch >= manifest.epochs or index >= manifest.count:
            raise ValueError(
                f'Expected a view in {str(self.folder)!r}, which has '
                f'{manifest.epochs} epochs of {manifest.count} samples, but '
                f'got sample {index} of epoch {epoch} (from 0). '
                + _too_few_epochs(manifest.epochs)
            )

    def _check_views(self, samples: Any, count: int) -> None:
        """Expect samples drawn as the stored ones; once, enough epochs."""
        text = samples[0].replay
        if text == self._checked:
            return
        drawn = dict(part.split('=') for part in text.split())
        wrap = drawn.pop('wrap', None)
        stored = self._manifest.views
        differences = [
            f'{name} {drawn.get(name)} instead of {stored.get(name)}'
            for name in {**stored, **drawn}
            if drawn.get(name) != stored.get(name)
        ]
        if differences:
            raise ValueError(
                f'Expected views as in {str(self.folder)!r}, but these are '
                f'drawn otherwise: {"; ".join(differences)}. Train on the '
                'data set, pipeline and seed that were stored, or run '
                '`mmnkd cache` for these.'
            )
        needed = _epochs_of_run(self._manifest, count)
        if wrap is not None:
            needed = min(needed, int(wrap))
        if needed > self._manifest.epochs:
            raise ValueError(
                f'Expected {needed} epochs in {str(self.folder)!r}, but it '
                f'has {self._manifest.epochs}. '
                + _too_few_epochs(self._manifest.epochs)
            )
        self._checked = text


def _views(samples: Sequence[Any]) -> list[tuple[int, int]]:
    try:
        views = [sample.view for sample in samples]
    except AttributeError:
        views = []
    if not views:
        raise ValueError(
            'Expected samples that say which view they are, for a stored '
            'teacher, but these do not. Train on a ReplayedDataset with a '
            'ReplayedSampler, as the `cached.py` beside the store does.'
        )
    return views


def _check_blocks(folder: Path, manifest: Manifest) -> None:
    """Expect all blocks; ranks check them by turns."""
    total = manifest.epochs * manifest.blocks_an_epoch
    if len(manifest.blocks) < total:
        raise ValueError(
            f'Expected a whole store in {str(folder)!r}, but it has '
            f'{len(manifest.blocks)} of {total} blocks. Run the same '
            '`mmnkd cache` again: it goes on after the last one.'
        )
    rank, ranks = get_dist_info()
    for number, block in enumerate(manifest.all_blocks()):
        if number % ranks == rank:
            check_block(folder, block, manifest)


def _compare_versions(manifest: Manifest) -> None:
    now = library_versions()
    others = [
        f'{name} {manifest.versions.get(name)}, now {version}'
        for name, version in now.items()
        if manifest.versions.get(name) != version
    ]
    if others:
        print_log(
            f'The teacher was stored with {", ".join(others)}. Views are the '
            'same only if these draw and resize images alike.',
            'current',
            logging.WARNING,
        )


def _epochs_of_run(manifest: Manifest, batch_size: int) -> int:
    """Return how many passes the Runner will make; 0 if none trains."""
    info = MessageHub.get_current_instance().runtime_info
    if 'loop_stage' not in info:
        return 0
    length = -(-manifest.count // (batch_size * get_world_size()))
    by_iterations = -(-info.get('max_iters', 0) // length)
    return max(info.get('max_epochs', 0), by_iterations)


def _too_few_epochs(epochs: int) -> str:
    return (
        'Store more epochs (mmnkd cache … --epochs), or let views repeat: '
        f'train_dataloader.dataset.epochs={epochs}.'
    )
