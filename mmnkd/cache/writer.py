"""Writes a store, block by block, alone or as the ranks of one job."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Optional

import torch
from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    get_dist_info,
)
from torch import Tensor

from .store import MANIFEST, Block, Manifest, check_block, write_block

__all__ = ['BlockBatches', 'StoreWriter']


class StoreWriter:
    """Write what isn't in a store yet; ranks take blocks by turns.

    A context manager: in the block the folder is locked.

    Args:
        folder: The store, which may have some of the blocks already.
        manifest: What it is to hold.

    Raises:
        ValueError: The folder holds something else.
        OSError: It can't be written, or another process writes it.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.rank, self.ranks = get_dist_info()
        self._lock: Optional[IO[bytes]] = None

    def __enter__(self) -> StoreWriter:
        blocks: dict[str, str] = {}
        problem: Optional[Exception] = None
        if self.rank == 0:
            try:
                self._open()
                blocks = self.manifest.blocks
            except (OSError, ValueError) as error:
                problem = error
        shared: list[Any] = [blocks, problem]
        broadcast_object_list(shared)  # all stop, or all go on
        self.manifest.blocks, problem = shared
        if problem is not None:
            raise problem
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def missing(self) -> list[Block]:
        """Return the blocks that are still to be written."""
        return [
            block
            for block in self.manifest.all_blocks()
            if block.file not in self.manifest.blocks
        ]

    def own(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """Return this rank's share."""
        return blocks[self.rank :: self.ranks]

    def write(
        self,
        blocks: Sequence[Block],
        batches: Iterable[Any],
        answer: Callable[[Any], Tensor],
        done: Callable[[int], None],
    ) -> None:
        """Write this rank's share of the blocks.

        Args:
            blocks: What :meth:`missing` returned.
            batches: Of the views in this rank's blocks, see
                :class:`BlockBatches`.
            answer: Returns a batch's rows.
            done: Is called with the count of each batch's views.

        Raises:
            OSError: A rank could not write.
        """
        stream = iter(batches)
        for start in range(0, len(blocks), self.ranks):
            mine = blocks[start : start + self.ranks][self.rank :][:1]
            written: dict[str, str] = {}
            problem: Optional[Exception] = None
            for block in mine:
                count = len(self.manifest.indices(block))
                rows = _take(stream, count, answer, done)
                try:
                    checksum = write_block(self.folder, block, rows)
                    written[block.file] = checksum
                except OSError as error:
                    problem = error
            self._count(written, problem)

    def _count(
        self, written: dict[str, str], problem: Optional[Exception]
    ) -> None:
        """Put the blocks of all ranks into the manifest."""
        for theirs, their_problem in all_gather_object((written, problem)):
            self.manifest.blocks.update(theirs)
            problem = problem or their_problem
        if self.rank == 0:
            self.manifest.save(self.folder)
        if problem is not None:
            raise problem

    def _open(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / '.lock').open('wb')
        except OSError as error:
            raise OSError(
                error.errno,
                f'Could not write to {str(self.folder)!r} ({error.strerror}). '
                'Name a folder on another disk by --out',
            ) from error
        _lock(self._lock, self.folder)
        if (self.folder / MANIFEST).is_file():
            self._go_on(Manifest.load(self.folder))
        for leftover in self.folder.glob('.*.tmp'):
            leftover.unlink()
        self.manifest.save(self.folder)

    def _go_on(self, found: Manifest) -> None:
        differences = self.manifest.differences(found)
        if differences:
            raise ValueError(
                f'Expected {str(self.folder)!r} to hold a store of the same '
                f'views and teacher, but it has {"; ".join(differences)}. '
                'Name another folder by --out, or remove this one.'
            )
        self.manifest.epochs = max(self.manifest.epochs, found.epochs)
        for block in self.manifest.all_blocks():
            with contextlib.suppress(ValueError):  # it is written anew
                check_block(self.folder, block, found)
                name = block.file
                self.manifest.blocks[name] = found.blocks[name]


class BlockBatches:
    """Yield the views of blocks in batches; none spans two blocks.

    So a batch has the same views however the writing was cut, and the same
    outputs to the last bit.

    Args:
        blocks: The blocks.
        manifest: Says what is in them.
        batch_size: Views in a batch.
    """

    def __init__(
        self, blocks: Sequence[Block], manifest: Manifest, batch_size: int
    ) -> None:
        self.blocks = blocks
        self.manifest = manifest
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for block in self.blocks:
            indices = self.manifest.indices(block)
            for start in range(0, len(indices), self.batch_size):
                batch = indices[start : start + self.batch_size]
                yield [(block.epoch, index) for index in batch]

    def __len__(self) -> int:
        sizes = (len(self.manifest.indices(block)) for block in self.blocks)
        return sum(-(-size // self.batch_size) for size in sizes)


def _take(
    stream: Iterator[Any],
    count: int,
    answer: Callable[[Any], Tensor],
    done: Callable[[int], None],
) -> Tensor:
    """Return the next rows of a stream of batches."""
    rows, filled = torch.empty(0), 0
    while filled < count:
        part = answer(next(stream))
        if not filled:  # no list of parts: a block is held once
            rows = part.new_empty((count, part.shape[1]))
        rows[filled : filled + len(part)] = part
        filled += len(part)
        done(len(part))
    return rows


def _lock(file: IO[bytes], folder: Path) -> None:
    """Lock a file for this process; a dead process holds no lock."""
    if os.name == 'nt':
        import msvcrt

        def lock() -> None:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore
    else:
        import fcntl

        def lock() -> None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    try:
        lock()
    except OSError as error:
        file.close()
        raise BlockingIOError(
            error.errno,
            f'Expected to write {str(folder)!r} alone, but another process '
            'does. Wait for it, or run the ranks of one job by torchrun',
        ) from error
