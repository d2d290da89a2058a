"""How ``mmnkd train`` and ``mmnkd test`` read and write checkpoints."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar, Union

import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log
from mmengine.runner import (
    CheckpointLoader,
    get_deprecated_model_names,
    get_external_models,
    get_torchvision_models,
)

from ..checkpoint import read_checkpoint, reads_trainings
from ..download import put_whole

__all__ = ['WholeFiles', 'publish_if_possible', 'read_safely', 'write_whole']


def write_whole() -> None:
    """Let this process write local files by :class:`WholeFiles`."""
    WholeFiles.outdated.clear()  # of an earlier training in this process
    register_backend('local', WholeFiles, force=True, prefixes='')


def read_safely() -> None:
    """Let this process read checkpoints by mmnkd's loader alone.

    The stacks' own loaders run what code a file holds: OneDL's always where
    torch's safe loader refuses a file, OpenMMLab's where it has a URL.
    """
    loaders = {
        load_from_mmnkd: ('', 'http://', 'https://'),
        load_from_torchvision: ('modelzoo://', 'torchvision://'),
        load_from_openmmlab: ('open-mmlab://', 'openmmlab://'),
        load_from_nowhere: (
            'mmcls://',
            'pavi://',
            r'(\S+\:)?s3://',
            r'(\S+\:)?petrel://',
        ),
    }
    for loader, prefixes in loaders.items():
        CheckpointLoader.register_scheme(prefixes, loader, force=True)


def publish_if_possible(config: Config) -> None:
    """Leave out `published_keys` if torch can't read what it publishes.

    mmengine reads the last checkpoint again, at the end of a training.
    """
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    if not reads_trainings() and hook.pop('published_keys', None):
        print_log(
            'Nothing will be published. `published_keys` needs torch 2.6 or '
            f'later, but this is {torch.__version__}.',
            'current',
            logging.WARNING,
        )


class WholeFiles(LocalBackend):
    """Write a file under a temporary name; remove checkpoints afterwards.

    mmengine writes in place, and removes the oldest checkpoint before it
    writes the newest: who is killed in between may be left with none.
    """

    # Of all instances, as mmengine makes one to write and one to remove.
    outdated: ClassVar[dict[Path, tuple[int, int]]] = {}

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        """Write bytes: all of them, or the file stays as it was."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        put_whole(path, obj)
        if path.suffix != '.pth':
            return
        while self.outdated:
            old, version = self.outdated.popitem()
            if old.exists() and _version(old) == version:
                old.unlink()

    def remove(self, filepath: Union[str, Path]) -> None:
        """Remove a file; a checkpoint, once the next one is written."""
        path = Path(filepath)
        if path.suffix != '.pth':
            super().remove(filepath)
            return
        self.outdated[path] = _version(path)


def load_from_mmnkd(filename: str, map_location: Any = None) -> Any:
    """Read a file or a URL."""
    content = read_checkpoint(filename, map_location)
    if not isinstance(content, dict):
        raise ValueError(
            f'Expected {filename!r} to hold weights by name, but got '
            f'{type(content).__name__}. Is it a checkpoint?'
        )
    return content


def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """Read torchvision's weights."""
    name = filename.split('://')[1]
    return load_from_mmnkd(get_torchvision_models()[name], map_location)


def load_from_openmmlab(filename: str, map_location: Any = None) -> Any:
    """Read weights that mmengine knows by name."""
    name = filename.split('://')[1]
    name = get_deprecated_model_names().get(name, name)
    return load_from_mmnkd(get_external_models()[name], map_location)


def load_from_nowhere(filename: str, map_location: Any = None) -> Any:
    """Refuse what only the stack's own loader reads."""
    raise ValueError(
        'Expected a checkpoint that can be read without running code, but '
        f'got {filename!r}. Fetch the file, and give its path.'
    )


def _version(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written anew."""
    state = path.stat()
    return state.st_ino, state.st_mtime_ns
