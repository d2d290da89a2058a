"""A folder of stored rows: a manifest, and blocks that are whole or not there.

`manifest.json` says what the rows were computed from, and has the SHA-256 of
each block. A block is a safetensors file with the rows of one epoch's samples
``[number * block_size, (number + 1) * block_size)``. A block counts once the
manifest has it. Files are written under another name, and renamed when they
are on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import torch
from torch import Tensor

from .files import checksum, write_whole
from .rows import Rows

__all__ = [
    'Block',
    'Manifest',
    'check_block',
    'library_versions',
    'open_block',
    'write_block',
]

FORMAT = 1
MANIFEST = 'manifest.json'
_MANIFEST_LIMIT = 64 * 2**20
_HEADER_LIMIT = 64 * 2**10
_CLASSES_LIMIT = 2**24
_ROWS_LIMIT = 2**40


class Block(NamedTuple):
    """Name a block."""

    epoch: int
    number: int

    @property
    def file(self) -> str:
        """Return the name of its file."""
        return f'{self.epoch:05}_{self.number:06}.safetensors'


@dataclass
class Manifest:
    """Say what a store holds.

    Attributes:
        teacher: Hashes of its config and weights, and its name.
        views: What the views were drawn from, see
            :attr:`ReplayedDataset.replay`.
        classes: Count of logits.
        topk: K, None if all classes are stored.
        epochs: Count of epochs.
        block_size: Samples in a block.
        versions: Of the libraries that drew the views.
        blocks: SHA-256 by file.
    """

    teacher: dict[str, str]
    views: dict[str, str]
    classes: int
    topk: Optional[int]
    epochs: int
    block_size: int
    versions: dict[str, str]
    blocks: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> Rows:
        """Return how a view is stored."""
        return Rows(self.classes, self.topk)

    @property
    def count(self) -> int:
        """Return the count of samples in an epoch."""
        return int(self.views['count'])

    @property
    def blocks_an_epoch(self) -> int:
        """Return the count of blocks that hold an epoch."""
        return -(-self.count // self.block_size)

    def all_blocks(self) -> Iterator[Block]:
        """Yield the blocks of a whole store, in the order of writing."""
        for epoch in range(self.epochs):
            for number in range(self.blocks_an_epoch):
                yield Block(epoch, number)

    def indices(self, block: Block) -> range:
        """Return the samples in a block."""
        start = block.number * self.block_size
        return range(start, min(start + self.block_size, self.count))

    def differences(self, other: Manifest) -> list[str]:
        """Return what another store has otherwise, apart from its epochs."""
        ours, theirs = self._identity(), other._identity()
        return [
            f'{name} {theirs.get(name)!r} instead of {ours.get(name)!r}'
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ]

    def _identity(self) -> dict[str, Any]:
        one = {f'teacher {k}': v for k, v in self.teacher.items()}
        two = {f'views {k}': v for k, v in self.views.items()}
        numbers = ('classes', 'topk', 'block_size')
        return {**one, **two, **{k: getattr(self, k) for k in numbers}}

    def save(self, folder: Path) -> None:
        """Write the manifest."""
        text = json.dumps({'format': FORMAT, **asdict(self)}, indent=1)
        write_whole(folder / MANIFEST, text.encode())

    @classmethod
    def load(cls, folder: Union[str, os.PathLike]) -> Manifest:
        """Read a store's manifest; it is checked as data of a stranger.

        Raises:
            FileNotFoundError: There is no store.
            ValueError: It is no manifest, or of another version.
        """
        path = Path(folder) / MANIFEST
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
            manifest = cls(**content)
            manifest.check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _broken(path, f'{type(error).__name__}: {error}') from error
        except RecursionError as error:
            raise _broken(path, 'too deep') from error
        return manifest

    def check(self) -> None:
        """Expect counts that can be.

        Raises:
            ValueError: Which one can not.
        """
        texts = (self.teacher, self.views, self.versions, self.blocks)
        for part in texts:
            if not isinstance(part, dict) or not all(
                isinstance(value, str) for value in part.values()
            ):
                raise ValueError(f'expected texts by name, not {part!r}')
        topk = 1 if self.topk is None else self.topk
        for name, number, limit in (
            ('classes', self.classes, _CLASSES_LIMIT),
            ('topk', topk, self.classes),
            ('epochs', self.epochs, _ROWS_LIMIT),
            ('count', self.count, _ROWS_LIMIT),
            ('block_size', self.block_size, _ROWS_LIMIT),
        ):
            if type(number) is not int or not 1 <= number <= limit:
                raise ValueError(f'{name} is {number!r}')


def open_block(folder: Path, block: Block, manifest: Manifest) -> Tensor:
    """Map a block's (samples, length) rows into memory.

    Safetensors refuses headers of over 100 MB, and offsets that don't fit the
    file. The rest is refused here: a link out of the folder, a long header,
    other tensors than the manifest says.

    Raises:
        ValueError: What is wrong with the file.
    """
    from safetensors import SafetensorError, safe_open

    rows = manifest.rows
    shape = (len(manifest.indices(block)), rows.length)
    path = folder / block.file
    _check_file(folder, block, manifest)
    try:
        with safe_open(path, framework='pt') as file:
            names = list(file.keys())
            tensor = file.get_tensor('rows') if names == ['rows'] else None
    except (SafetensorError, ValueError) as error:
        raise _broken(path, str(error)) from error
    if tensor is None:
        raise _broken(path, f'it has the tensors {names[:5]}')
    if tensor.dtype != rows.dtype or tuple(tensor.shape) != shape:
        raise _broken(
            path,
            f'its rows are {tensor.dtype} {tuple(tensor.shape)} instead of '
            f'{rows.dtype} {shape}',
        )
    return tensor


def _check_file(folder: Path, block: Block, manifest: Manifest) -> None:
    """Expect a file of about the right size, within the folder."""
    path = folder / block.file
    if not path.is_file():
        raise _broken(path, 'it is not there')
    if path.resolve().parent != folder.resolve():
        raise _broken(path, f'it is a link to {str(path.resolve())!r}')
    size = len(manifest.indices(block)) * manifest.rows.bytes
    actual = path.stat().st_size
    if not 0 <= actual - size <= _HEADER_LIMIT:
        raise _broken(path, f'it has {actual} bytes for {size} of rows')


def write_block(folder: Path, block: Block, rows: Tensor) -> str:
    """Write a block, and return its checksum.

    Raises:
        OSError: As :func:`write_whole`.
    """
    from safetensors.torch import save

    content = save({'rows': rows.contiguous()})
    write_whole(folder / block.file, content)
    return hashlib.sha256(content).hexdigest()


def check_block(folder: Path, block: Block, manifest: Manifest) -> None:
    """Expect the block that the manifest has.

    Raises:
        ValueError: It is another.
    """
    _check_file(folder, block, manifest)
    path = folder / block.file
    if checksum(path) != manifest.blocks.get(block.file):
        raise _broken(path, 'its checksum is wrong')


def _broken(path: Path, reason: str) -> ValueError:
    return ValueError(
        f'Expected {str(path)!r} to be as `mmnkd cache` wrote it, but it is '
        f'not: {reason}. Run the same command again, which writes anew what '
        'is broken; take a store from people you trust only.'
    )


def library_versions() -> dict[str, str]:
    """Return the versions of what draws views and computes logits."""
    import mmcv
    import mmpretrain
    import numpy as np

    modules = (torch, np, mmcv, mmpretrain)
    return {module.__name__: module.__version__ for module in modules}
