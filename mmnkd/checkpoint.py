"""Checkpoints, read safely: tensors and plain data, never code.

torch >= 2.6 loads files with ``weights_only=True``. Official mmengine neither
asks for less nor tells torch that its own training logs are harmless, so it
can't resume what it saved; :func:`allow_mmengine_checkpoints` tells torch.
Older versions can't be told, and read safely what has weights alone.
"""

from __future__ import annotations

import difflib
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.utils import digit_version
from torch import Tensor, nn

from .download import check_archive, downloaded, warn_of_hash
from .registry import require

# The methods that files name: of the logs, and of one scheduler's state.
_METHODS: Mapping[Any, Sequence[str]] = {
    HistoryBuffer: ('min', 'max', 'current', 'mean'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}


def reads_trainings() -> bool:
    """Tell whether this torch can read safely what a Runner saves."""
    return digit_version(torch.__version__) >= digit_version('2.6')


def expect_reading_trainings(option: str) -> None:
    """Refuse an option that reads what a Runner saves, if torch can't."""
    if not reads_trainings():
        raise ValueError(
            'Expected torch 2.6 or later, which reads checkpoints of a '
            f'training safely, but got {torch.__version__}. Update torch to '
            f'use {option}.'
        )


def allow_mmengine_checkpoints() -> None:
    """Let torch's safe loader read what mmengine's Runner saves.

    Those files hold HistoryBuffer objects, which are numpy arrays of numbers
    and four methods of the class, and a OneCycleLR's state names a method.
    Nothing else becomes loadable.
    """
    if not reads_trainings():
        return
    # numpy keeps both in a module whose name changed from numpy 1 to 2.
    reconstruct: Any = np.zeros(1).__reduce__()[0]
    scalar: Any = np.float64(1).__reduce__()[0]
    torch.serialization.add_safe_globals(
        [
            *_METHODS,
            np.ndarray,
            np.dtype,
            *(type(np.dtype(code)) for code in '?bhilqBHILQefd'),
            # The functions' names in files of numpy 1 and of numpy 2.
            (reconstruct, 'numpy.core.multiarray._reconstruct'),
            (reconstruct, 'numpy._core.multiarray._reconstruct'),
            (scalar, 'numpy.core.multiarray.scalar'),
            (scalar, 'numpy._core.multiarray.scalar'),
            (_method, 'builtins.getattr'),
        ]
    )


def _method(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which pickle names a class's method."""
    if isinstance(owner, type) and name in _METHODS.get(owner, ()):
        return getattr(owner, name)
    known = [f'{c.__name__}.{m}' for c in _METHODS for m in _METHODS[c]]
    raise pickle.UnpicklingError(
        f'Expected one of {known}, but got {name!r} of {owner!r}.'
    )


def read_checkpoint(source: str, map_location: Any = 'cpu') -> Any:
    """Read what a checkpoint holds: tensors and plain data, never code.

    Args:
        source: Path or URL, see :func:`read_state_dict`.
        map_location: Where the tensors go, as in :func:`torch.load`.

    Raises:
        FileNotFoundError: As :func:`read_state_dict`.
        ValueError: The file is damaged, would unpack to more than it is, or
            holds objects that only ``weights_only=False`` would load.
    """
    path = Path(source).expanduser()
    if source.startswith(('http://', 'https://')):
        path = downloaded(source)
    else:
        check_file('checkpoint file', source)
        warn_of_hash(path)
    if path.suffix == '.safetensors':
        return _read_safetensors(path)
    # Again, because the loader of onedl-mmengine takes what it allowed for its
    # own call off the list afterwards, HistoryBuffer included.
    allow_mmengine_checkpoints()
    try:
        check_archive(path)
        return torch.load(path, map_location=map_location, weights_only=True)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # of any kind, as files are
        # What torch prints around this recommends weights_only=False.
        reason = str(error).split('WeightsUnpickler error: ')[-1]
        reason = ' '.join(reason.split()).partition(' Check the doc')[0]
        reason = reason.split('. ')[0]
        reason = f'{type(error).__name__}: {reason}'
        place = source if str(path) == source else f'{source} ({path})'
        update = ''
        if not reads_trainings():
            update = (
                " A training's checkpoint needs torch 2.6 or later, but this "
                f'is {torch.__version__}: update torch.'
            )
        raise ValueError(
            f'Expected {place!r} to be a checkpoint of tensors and plain '
            f"data, but torch's safe loader refuses it ({reason}). Fetch a "
            'broken file again; from one with other objects, which could run '
            f'code, save the `state_dict` alone.{update}'
        ) from error


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
    return weights_in(read_checkpoint(source), source)


def weights_in(content: Any, source: str) -> dict[str, Tensor]:
    """Return the weights in what was read, as :func:`read_state_dict` does."""
    weights = content
    if isinstance(content, Mapping) and 'state_dict' in content:
        weights = content['state_dict']
    if (
        not isinstance(weights, Mapping)
        or not weights
        or not all(isinstance(value, Tensor) for value in weights.values())
    ):
        found = type(content).__name__
        if isinstance(content, Mapping):
            found += f' of {list(content)[:8]}'
        raise ValueError(
            f'Expected {source!r} to hold a state_dict (name: tensor), but '
            f'got {found}. Is it the checkpoint of a model?'
        )
    weights = {re.sub(r'^module\.', '', k): v for k, v in weights.items()}
    own = [k for k in weights if not k.startswith('distill_losses.')]
    return {name: weights[name] for name in own}


def classes_in(content: Any) -> Optional[list[str]]:
    """Return the names of the classes that a checkpoint's model knows.

    mmengine saves them, and mmcls of old did; None where a file tells none.
    """
    meta = content.get('meta') if isinstance(content, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    of_data = meta.get('dataset_meta')
    of_data = of_data if isinstance(of_data, Mapping) else {}
    classes = of_data.get('classes') or meta.get('CLASSES')
    if not isinstance(classes, (list, tuple)):
        return None
    return [*map(str, classes)]


def check_file(kind: str, name: str) -> None:
    """Expect a file. A relative path starts at the current folder."""
    path = Path(name).expanduser()
    if not path.is_file():
        place = '' if path.is_absolute() else f' from {os.getcwd()!r}'
        if path.is_dir():
            place += ': it is a folder'
        beside = {other.name for other in path.parent.glob('*')} - {path.name}
        near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.8)
        nearest = f' Nearest: {str(path.parent / near[0])!r}.' if near else ''
        raise FileNotFoundError(
            f'Expected a {kind}, but there is none at {name!r}{place}.'
            f'{nearest}'
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


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    require('openmmlab', repr(str(path)), 'safetensors')
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f'Expected a safetensors file at {str(path)!r}, but got: {error}. '
            'Fetch a broken file again.'
        ) from error
