"""Checkpoints, read safely: tensors and plain data, never code.

torch >= 2.6 loads files with ``weights_only=True``. Official mmengine neither
asks for less nor tells torch that its own training logs are harmless, so it
can't resume what it saved; :func:`allow_mmengine_checkpoints` tells torch.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils import digit_version
from torch import Tensor, nn

_STATISTICS = ('min', 'max', 'current', 'mean')
_HASHED_NAME = re.compile(r'-([0-9a-f]{8,})\.pth$')


def allow_mmengine_checkpoints() -> None:
    """Let torch's safe loader read what mmengine's Runner saves.

    Those files hold HistoryBuffer objects: numpy arrays of numbers and four
    methods of the class. Nothing else becomes loadable.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    # numpy keeps both in a module whose name changed from numpy 1 to 2.
    reconstruct: Any = np.zeros(1).__reduce__()[0]
    scalar: Any = np.float64(1).__reduce__()[0]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            np.ndarray,
            np.dtype,
            *(type(np.dtype(code)) for code in '?bhilqBHILQefd'),
            # The functions' names in files of numpy 1 and of numpy 2.
            (reconstruct, 'numpy.core.multiarray._reconstruct'),
            (reconstruct, 'numpy._core.multiarray._reconstruct'),
            (scalar, 'numpy.core.multiarray.scalar'),
            (scalar, 'numpy._core.multiarray.scalar'),
            (_statistic, 'builtins.getattr'),
        ]
    )


def _statistic(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which pickle names a class's method."""
    if owner is HistoryBuffer and name in _STATISTICS:
        return getattr(owner, name)
    raise pickle.UnpicklingError(
        f'Expected a statistic of HistoryBuffer {_STATISTICS}, but got '
        f'{name!r} of {owner!r}.'
    )


class Weights(NamedTuple):
    """Hold what a file has.

    Attributes:
        state_dict: A model's weights by name.
        classes: The names of the classes that it was trained on, None where
            the file doesn't tell.
    """

    state_dict: dict[str, Tensor]
    classes: Optional[list[str]]


def read_weights(source: str) -> Weights:
    """Read a model's weights, and what the file says of their classes.

    Args:
        source: As for :func:`read_state_dict`.

    Raises:
        FileNotFoundError, ValueError: As :func:`read_state_dict`.
    """
    content = _read(source)
    return Weights(_weights_in(content, source), _classes_in(content))


def read_state_dict(source: str) -> dict[str, Tensor]:
    """Read a model's weights from a file or a URL.

    Args:
        source: Path, or http(s) URL: kept in torch.hub's folder, and checked
            against the hash in its name, if there is one. Under data
            parallelism one process downloads, and the others find the file
            or, on a disk of their own, download it too.

    Returns:
        The weights by name: the file's ``state_dict`` where it has one, else
        the file itself, without the ``module.`` of DataParallel and without
        the parameters of distillation losses.

    Raises:
        FileNotFoundError: There is no such file, or it can't be downloaded.
        ValueError: The file holds something else than weights, or objects
            that only ``weights_only=False`` would load.
    """
    return read_weights(source).state_dict


def export_student(source: str, target: Union[str, os.PathLike]) -> None:
    """Write the student alone, as plain mmpretrain loads it.

    What only the training needs is left out: the parameters of distillation
    losses, the optimizer's state, and the log, which torch's safe loader takes
    in a process with mmnkd only. Of a training with EMA it is the average.

    Args:
        source: Path or URL of a checkpoint that a Runner saved.
        target: File to write: ``state_dict``, and ``meta`` (the classes'
            names, for one) where there is any.

    Raises:
        FileNotFoundError, ValueError: As :func:`read_state_dict`.
        FileExistsError: There is a file at `target`.
    """
    target = Path(target)
    if target.exists():
        raise FileExistsError(
            f'Expected no file at {str(target)!r}, but there is one. Name '
            'another, or remove it.'
        )
    content = _read(source)
    exported: dict[str, Any] = {'state_dict': _weights_in(content, source)}
    if isinstance(content.get('meta'), Mapping):
        exported['meta'] = content['meta']
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(exported, target)


def check_file(kind: str, name: str) -> None:
    """Expect a file. A relative path starts at the current folder."""
    path = Path(name).expanduser()
    if not path.is_file():
        place = '' if path.is_absolute() else f' from {os.getcwd()!r}'
        raise FileNotFoundError(
            f'Expected a {kind}, but there is none at {name!r}{place}.'
        )


def load_strictly(
    model: nn.Module, weights: Mapping[str, Tensor], source: str
) -> None:
    """Load weights that must fit the model, name by name.

    Raises:
        ValueError: Which names are missing, unexpected or of another shape.
    """
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
        # A model's own hook may take a name out and make its tensor anew, as
        # Swin's do with tables for another window size.
        missing = [name for name in missing if name not in weights]
        problems = {'missing': missing, 'unexpected': unexpected}
    except RuntimeError as error:  # a line for each shape that differs
        if not str(error).startswith('Error(s) in loading state_dict'):
            raise  # a model's own hook did
        lines = str(error).splitlines()[1:]
        problems = {'shapes': [line.strip().rstrip('.') for line in lines]}
    listed = [
        f'{kind}: {", ".join(names[:3])}'
        + (f' and {len(names) - 3} more' if len(names) > 3 else '')
        for kind, names in problems.items()
        if names
    ]
    if listed:
        raise ValueError(
            f'Expected the weights in {source!r} to fit '
            f'{type(model).__name__} exactly, but got {"; ".join(listed)}. Is '
            'it the checkpoint of this model?'
        )


def _weights_in(content: Any, source: str) -> dict[str, Tensor]:
    weights = content
    if isinstance(content, Mapping) and 'state_dict' in content:
        weights = content['state_dict']
    if not _is_state_dict(weights):
        raise ValueError(
            f'Expected {source!r} to hold a state_dict (name: tensor), but '
            f'got {type(content).__name__}{_keys(content)}.'
        )
    weights = {re.sub(r'^module\.', '', k): v for k, v in weights.items()}
    return {
        name: value
        for name, value in weights.items()
        if not name.startswith('distill_losses.')
    }


def _classes_in(content: Any) -> Optional[list[str]]:
    """Return the names that mmengine saves, or mmcls of old did."""
    meta = content.get('meta') if isinstance(content, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    of_data = meta.get('dataset_meta')
    of_data = of_data if isinstance(of_data, Mapping) else {}
    classes = of_data.get('classes') or meta.get('CLASSES')
    if not isinstance(classes, (list, tuple)):
        return None
    return [*map(str, classes)]


def _read(source: str) -> Any:
    """Read a file or URL of tensors and plain data."""
    is_url = source.startswith(('http://', 'https://'))
    if not is_url:
        check_file('checkpoint file', source)
    path = _downloaded(source) if is_url else Path(source).expanduser()
    # Again, because the loader of onedl-mmengine takes what it allowed for its
    # own call off the list afterwards, HistoryBuffer included.
    allow_mmengine_checkpoints()
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # of any kind, as files are
        # What torch prints before this recommends weights_only=False.
        reason = str(error).split('WeightsUnpickler error: ')[-1]
        reason = f'{type(error).__name__}: {" ".join(reason.split())}'
        raise ValueError(
            f'Expected {source!r} to be a checkpoint of tensors and plain '
            f"data, but torch's safe loader refuses it ({reason}). Fetch a "
            'broken file again; from one with other objects, which could run '
            'code, save the `state_dict` alone.'
        ) from error


def _downloaded(url: str) -> Path:
    name = Path(urlparse(url).path).name
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    hashed = _HASHED_NAME.search(name)
    if not hashed:  # two servers may both have an `epoch_100.pth`
        folder /= hashlib.sha256(url.encode()).hexdigest()[:8]
    path = folder / name
    try:
        if is_main_process():
            _fetch(url, path, hashed and hashed[1])
    finally:  # where it fails, the others don't wait for ever
        barrier()
    _fetch(url, path, hashed and hashed[1])  # a node with a disk of its own
    return path


def _fetch(url: str, path: Path, sha256: Optional[str]) -> None:
    if path.is_file():
        return
    print_log(f'Downloading {url} to {path}', 'current')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), sha256)
    except (OSError, RuntimeError) as error:  # no network; wrong hash
        raise FileNotFoundError(
            f'Could not download {url}: {error}. Fetch it by other means and '
            'give its path instead.'
        ) from error


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(value, Tensor) for value in content.values())
    )


def _keys(content: Any) -> str:
    return f' of {list(content)[:8]}' if isinstance(content, Mapping) else ''
