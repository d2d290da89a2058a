"""Writes what isn't in a store yet, alone or as the ranks of one job."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from filelock import FileLock, Timeout
from mmengine import dist
from torch import Tensor

from .store import MANIFEST, Store, differences, own

__all__ = ['batches_of', 'write_blocks', 'writing']


@contextlib.contextmanager
def writing(store: Store) -> Iterator[Store]:
    """Lock a store's folder, and yield the store with the blocks there.

    The folder may have fewer epochs, and is refused with anything else.
    """
    # A dead process holds no lock.
    lock = FileLock(store.folder / '.lock', timeout=0)
    shared: list[Any] = [store]
    if dist.is_main_process():
        try:
            _open(store, lock)
        except Exception as error:
            shared = [error]
    try:
        dist.broadcast_object_list(shared)  # all ranks stop, or all go on
        if isinstance(shared[0], Exception):
            raise shared[0]
        yield shared[0]
    finally:
        lock.release()


def batches_of(
    store: Store, blocks: Iterable[int], batch_size: int
) -> Iterator[list[tuple[int, int]]]:
    """Yield the views of blocks in batches; none spans two blocks.

    So a batch has the same views however the writing was cut, and the same
    outputs to the last bit.
    """
    for block in blocks:
        epoch, indices = store.views_of(block)
        for start in range(0, len(indices), batch_size):
            batch = indices[start : start + batch_size]
            yield [(epoch, index) for index in batch]


def write_blocks(
    store: Store, batches: Iterable[Any], answer: Callable[[Any], Tensor]
) -> None:
    """Write what a store lacks; ranks take blocks by turns.

    Args:
        store: What :func:`writing` yielded.
        batches: Of the views in this rank's own blocks, in order.
        answer: Returns a batch's rows.
    """
    stream = map(answer, batches)
    missing, ranks = store.missing, dist.get_world_size()
    for start in range(0, len(missing), ranks):
        done: Any = {}
        for block in own(missing[start : start + ranks]):
            try:
                parts: list[Tensor] = []
                count = len(store.views_of(block)[1])
                while sum(len(part) for part in parts) < count:
                    parts.append(next(stream))
                done = store.write(block, torch.cat(parts))
            except Exception as error:  # else the others wait for ever
                done = error
        everyones = dist.all_gather_object(done)
        problems = [p for p in everyones if isinstance(p, Exception)]
        for checksums in everyones:
            if checksums not in problems:
                store.checksums.update(checksums)
        if dist.is_main_process():
            store.save()
        if problems:
            raise problems[0]


def _open(store: Store, lock: Any) -> None:
    """Lock the folder, and go on from the blocks that are whole."""
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise BlockingIOError(
            f'Expected to write {str(store.folder)!r} alone, but another '
            'process does. Wait for it, or run the ranks of one job by '
            'torchrun.'
        ) from error
    except OSError as error:
        raise OSError(
            error.errno,
            f'Could not write to {str(store.folder)!r} ({error.strerror}). '
            'Name a folder on another disk by --out',
        ) from error
    if (store.folder / MANIFEST).is_file():
        _go_on(store, Store.load(store.folder))
    store.save()


def _go_on(store: Store, found: Store) -> None:
    unlike = differences(store.identity, found.identity)
    if not unlike:
        store.epochs = max(store.epochs, found.epochs)
        for block in store.blocks:
            with contextlib.suppress(ValueError):  # it is written anew
                store.checksums.update(found.check(block))
        if store.missing:  # other libraries may draw other views
            unlike = differences(store.versions, found.versions)
        store.versions = found.versions
    if unlike:
        raise ValueError(
            f'Expected {str(store.folder)!r} to hold a store of the same '
            f'views, teacher and libraries, but it has {unlike}. Name another '
            'folder by --out, or remove this one.'
        )
