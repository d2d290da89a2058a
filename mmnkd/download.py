"""Files that are whole: written, downloaded, with hashes, archives."""

from __future__ import annotations

import hashlib
import os
import re
import time
import zipfile
from contextlib import suppress
from http.client import HTTPException
from logging import WARNING
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Optional, Union
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen
from uuid import uuid4

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log

SILENCE = 30.0  # seconds that a server may say nothing
PAUSES = (1.0, 5.0)  # seconds before each new attempt
# The hash in a name of mmengine's CheckpointHook is not one of the file.
_HASHED_NAME = re.compile(r'^(?!(?:epoch|iter|best)_).*-([0-9a-f]{8,})\.pth$')


def put_whole(path: Path, content: bytes) -> None:
    """Write a file: all of it, or it stays as it was."""
    part = path.with_name(f'.{path.name}.part')
    try:
        with open(part, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    # Make the name last through a loss of power.
    with suppress(OSError):  # Windows and some network file systems can't
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def downloaded(url: str) -> Path:
    """Return the file of a URL, from torch.hub's folder if it is there."""
    name = Path(urlparse(url).path).name
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    if not _HASHED_NAME.search(name):  # two may have an `epoch_100.pth`
        folder /= hashlib.sha256(url.encode()).hexdigest()[:8]
    path = folder / name
    try:
        if is_main_process():
            _fetch(url, path)
    finally:  # where it fails, the others don't wait for ever
        barrier()
    _fetch(url, path)  # a node with a disk of its own
    return path


def warn_of_hash(path: Path) -> None:
    """Log where a local file isn't what its name says.

    No error, because digits alone may be a date, and because somebody may have
    renamed what mmengine published.
    """
    try:
        check_hash(path)
    except ValueError as error:
        print_log(f'Is this the right file? {error}.', 'current', WARNING)


def check_hash(path: Path, name: Optional[str] = None) -> None:
    """Compare a file with the hash in its name, as model zoos write it."""
    hashed = _HASHED_NAME.search(name or path.name)
    if hashed is None:
        return
    digest = sha256_of(path)
    if not digest.startswith(hashed[1]):
        raise ValueError(
            f'the SHA-256 of {path} begins with {digest[:8]}, but '
            f'its name says {hashed[1]}: it is broken, or another file'
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def check_archive(path: Path, *, parts: bool = True) -> None:
    """Expect a file as torch writes it, which takes its own size in memory.

    Args:
        path: In most cases, a zip archive; torch knows an older format too.
        parts: Compare the checksum of each part, which torch doesn't.
    """
    if not zipfile.is_zipfile(path):
        with open(path, 'rb') as file:
            _refuse_sizes(mmap(file.fileno(), 0, access=ACCESS_READ))
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
        if size > path.stat().st_size:
            raise ValueError(f'it would unpack to {size} bytes')
        for name in archive.namelist():
            if name.endswith('.pkl'):
                _refuse_sizes(archive.read(name))
        damaged = archive.testzip() if parts else None
    if damaged:
        raise ValueError(f'{damaged} in it is damaged')


def _refuse_sizes(pickled: Union[bytes, mmap]) -> None:
    # The one call in torch's list of safe ones that fills as much memory as a
    # number in the file says. No network has such a thing.
    if pickled.find(b'bytearray') >= 0:
        raise ValueError('it makes a bytearray, of any size')


def _fetch(url: str, path: Path) -> None:
    if path.is_file():
        check_hash(path)
        return
    print_log(f'Downloading {url} to {path}', 'current')
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{uuid4().hex}.part')  # of us alone
    for pause in (*PAUSES, None):
        try:
            _copy(url, part)
            check_hash(part, path.name)
            part.replace(path)
            return
        except (OSError, HTTPException, ValueError) as error:
            final = isinstance(error, HTTPError) and error.code < 500
            if final or pause is None:
                raise FileNotFoundError(
                    f'Could not download {url}: {error}. Fetch it by other '
                    'means and give its path instead.'
                ) from error
            print_log(f'Trying again, after: {error}', 'current')
            time.sleep(pause)
        finally:
            part.unlink(missing_ok=True)


def _copy(url: str, part: Path) -> None:
    request = Request(url, headers={'User-Agent': 'mmnkd'})
    with urlopen(request, timeout=SILENCE) as reply, open(part, 'wb') as file:
        expected: Any = reply.headers.get('Content-Length')
        while chunk := reply.read(1 << 20):
            file.write(chunk)
        if expected is not None and file.tell() != int(expected):
            raise OSError(f'got {file.tell()} of {expected} bytes')
