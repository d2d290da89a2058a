"""Files that are there as a whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ['checksum', 'write_whole']


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    total = hashlib.sha256()
    with open(path, 'rb') as file:
        for part in iter(lambda: file.read(2**20), b''):
            total.update(part)
    return total.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole, or not at all.

    Raises:
        OSError: The disk is full or read-only, and what to do.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        try:
            with open(temporary, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(
            error.errno,
            f'Could not write {str(path)!r} ({error.strerror}). All blocks '
            'before it are whole: make room, or name another disk, and run '
            'the same command again to go on',
        ) from error


def _sync_folder(folder: Path) -> None:
    if os.name == 'nt':  # has no handle of a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
