"""A folder of stored rows: a manifest, and blocks that are whole or not there.

`manifest.json` says what the rows were computed from, and has the SHA-256 of
each block. A block is a safetensors file with the rows of up to `block_size`
samples in a row, of one epoch; it counts once the manifest has it. Files are
written under another name, and renamed when they are on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch import Tensor

from ..download import put_whole, sha256_of
from .rows import Rows

__all__ = ['Store', 'differences', 'library_versions', 'own']

FORMAT = 1
MANIFEST = 'manifest.json'
_MANIFEST_LIMIT = 64 * 2**20  # bytes
_HEADER_LIMIT = 64 * 2**10


@dataclass
class Store:
    """Say what a folder holds, and read and write its blocks.

    Raises:
        TypeError, ValueError: A count that can't be.
    """

    folder: Path
    teacher: dict[str, str]  # hashes of its config and weights
    views: dict[str, str]  # what they are drawn from, see ReplayedDataset
    classes: int
    topk: Optional[int]  # None: all classes
    epochs: int
    block_size: int  # samples; an epoch's last block has fewer
    versions: dict[str, str]  # of the libraries that drew the views
    checksums: dict[str, str] = field(default_factory=dict)  # by block's file

    def __post_init__(self) -> None:
        self.count = int(self.views['count'])
        counts = dict.fromkeys(('epochs', 'count', 'block_size'), 2**40)
        limits = {'classes': 2**24, **counts}
        if self.topk is not None:
            limits['topk'] = self.classes
        for name, limit in limits.items():
            number = getattr(self, name)
            if type(number) is not int or not 1 <= number <= limit:
                raise ValueError(f'{name} is {number!r}')
        for texts in (self.teacher, self.views, self.versions, self.checksums):
            if not all(isinstance(text, str) for text in texts.values()):
                raise TypeError(f'expected texts by name, not {texts!r}')
        self.rows = Rows(self.classes, self.topk)
        self.blocks_an_epoch = -(-self.count // self.block_size)

    @classmethod
    def load(cls, folder: Path) -> Store:
        """Read a manifest, which may be of a stranger."""
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(
                f'Expected stored outputs of a teacher in {str(folder)!r} '
                f'(from {os.getcwd()!r}), but there is no {MANIFEST}. Run '
                f'first: mmnkd cache CONFIG --out {folder}'
            )
        try:
            if path.stat().st_size > _MANIFEST_LIMIT:
                raise ValueError(f'larger than {_MANIFEST_LIMIT} bytes')
            content = json.loads(path.read_text(encoding='utf8'))
            if content.pop('format') != FORMAT:
                raise ValueError(f'not of format {FORMAT}')
            return cls(folder, **content)
        except Exception as error:  # whatever a stranger's file provokes
            raise _broken(path, repr(error)) from error

    def save(self) -> None:
        """Write the manifest."""
        content = {f.name: getattr(self, f.name) for f in fields(self)[1:]}
        text = json.dumps({'format': FORMAT, **content}, indent=1)
        _put(self.folder / MANIFEST, text.encode())

    @property
    def blocks(self) -> range:
        """Return the numbers of all blocks, in the order of writing."""
        return range(self.epochs * self.blocks_an_epoch)

    @property
    def missing(self) -> list[int]:
        """Return the blocks that aren't there."""
        return [b for b in self.blocks if _name(b) not in self.checksums]

    @property
    def identity(self) -> dict[str, Any]:
        """Return what can't change while a store is written."""
        return {
            **{f'teacher {name}': v for name, v in self.teacher.items()},
            **{f'views {name}': v for name, v in self.views.items()},
            'classes': self.classes,
            'topk': self.topk,
            'block_size': self.block_size,
        }

    def views_of(self, block: int) -> tuple[int, range]:
        """Return a block's epoch and samples."""
        epoch, number = divmod(block, self.blocks_an_epoch)
        start = number * self.block_size
        return epoch, range(start, min(start + self.block_size, self.count))

    def write(self, block: int, rows: Tensor) -> dict[str, str]:
        """Write a block; return its checksum by its file's name."""
        from safetensors.torch import save

        content = save({'rows': rows})
        _put(self.folder / _name(block), content)
        return {_name(block): hashlib.sha256(content).hexdigest()}

    def check(self, block: int) -> dict[str, str]:
        """Expect the block that was written; return as :meth:`write`."""
        path = self._expect_file(block)
        checksum = sha256_of(path)
        if checksum != self.checksums.get(path.name):
            raise _broken(path, 'its checksum is wrong')
        return {path.name: checksum}

    def read(self, block: int) -> np.ndarray:
        """Map a block's (samples, length) rows into memory.

        Safetensors refuses headers of over 100 MB, and offsets that don't fit
        the file. All else that could be hostile is refused here.
        """
        from safetensors import SafetensorError, safe_open

        path = self._expect_file(block)
        shape = (len(self.views_of(block)[1]), self.rows.length)
        try:
            with safe_open(path, framework='pt') as file:
                if list(file.keys()) != ['rows']:
                    raise ValueError(f'it has {list(file.keys())[:5]}')
                rows = file.get_tensor('rows')
            if (rows.dtype, tuple(rows.shape)) != (self.rows.dtype, shape):
                raise ValueError(f'it has {rows.dtype} {tuple(rows.shape)}')
        except (SafetensorError, ValueError) as error:
            raise _broken(path, str(error)) from error
        return rows.numpy()

    def _expect_file(self, block: int) -> Path:
        """Return a file of about the right size, within the folder."""
        path = self.folder / _name(block)
        if not path.is_file():
            raise _broken(path, 'it is not there')
        if path.resolve().parent != self.folder.resolve():
            raise _broken(path, f'it is a link to {str(path.resolve())!r}')
        size = len(self.views_of(block)[1]) * self.rows.bytes
        actual = path.stat().st_size
        if not 0 <= actual - size <= _HEADER_LIMIT:
            raise _broken(path, f'it has {actual} bytes for {size} of rows')
        return path


def own(blocks: Sequence[int]) -> Sequence[int]:
    """Return this rank's share of blocks."""
    rank, ranks = get_dist_info()
    return blocks[rank::ranks]


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return which values differ, as text; '' where none does."""
    return '; '.join(
        f'{name} {found.get(name)} instead of {expected.get(name)}'
        for name in {**expected, **found}
        if found.get(name) != expected.get(name)
    )


def library_versions() -> dict[str, str]:
    """Return the versions of what draws views and computes logits."""
    import mmcv
    import mmpretrain

    modules = (torch, np, mmcv, mmpretrain)
    return {module.__name__: module.__version__ for module in modules}


def _name(block: int) -> str:
    return f'{block:08}.safetensors'


def _broken(path: Path, reason: str) -> ValueError:
    return ValueError(
        f'Expected {str(path)!r} to be as `mmnkd cache` wrote it, but it is '
        f'not: {reason}. Run the same command again, which writes anew what '
        'is broken; take a store from people you trust only.'
    )


def _put(path: Path, content: bytes) -> None:
    try:
        put_whole(path, content)
    except OSError as error:
        raise OSError(
            error.errno,
            f'Could not write {str(path)!r} ({error.strerror}). All blocks '
            'before it are whole: make room, or name another disk, and run '
            'the same command again to go on',
        ) from error
