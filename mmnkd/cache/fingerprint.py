"""Short hashes that tell whether two data sets or networks are the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ['digest', 'fingerprint', 'pipeline_hash', 'weights_hash']


def digest(value: Any) -> str:
    """Return the hash of what JSON can write; of all else, of its text."""
    text = json.dumps(value, sort_keys=True, default=_text)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint(dataset: Any) -> dict[str, str]:
    """Return the count, and hashes of the classes and of all samples' names.

    A name is a file's with its folder, so that data may move; of a data set
    in memory, the pixels; of others, all that is known of it.

    Raises:
        TypeError: The data set names no samples.
    """
    if not hasattr(dataset, 'get_data_info'):
        raise TypeError(
            "Expected a data set that names its samples, as mmengine's "
            f'BaseDataset does, but {type(dataset).__name__} has no '
            '`get_data_info(index)`.'
        )
    names = hashlib.sha256()
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        name = info.get('img_path')
        if name is not None:
            names.update('/'.join(str(name).split('/')[-2:]).encode())
        elif 'img' in info:
            names.update(np.ascontiguousarray(info['img']).tobytes())
        else:
            names.update(digest(info).encode())
        names.update(f'|{info.get("gt_label")}\n'.encode())
    return {
        'count': str(len(dataset)),
        'classes': digest(getattr(dataset, 'metainfo', {}).get('classes')),
        'samples': names.hexdigest()[:16],
    }


def pipeline_hash(dataset: Any) -> str:
    """Hash the transforms' settings in a data set's config, or of it."""
    if isinstance(dataset, Mapping):
        return digest(list(_pipelines(dataset)))
    return digest(_text(getattr(dataset, 'pipeline', None)))


def weights_hash(network: nn.Module) -> str:
    """Return a hash of a network's parameters and buffers."""
    weights = hashlib.sha256()
    for name, value in network.state_dict().items():
        weights.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        flat = value.detach().cpu().contiguous().flatten()
        weights.update(flat.view(torch.uint8).numpy().tobytes())
    return weights.hexdigest()[:16]


def _pipelines(config: Any) -> Iterator[Any]:
    """Yield the pipelines in a data set's config, and of those within."""
    if isinstance(config, Mapping):
        if 'pipeline' in config:
            yield config['pipeline']
        config = [config[key] for key in sorted(config) if key != 'pipeline']
    if isinstance(config, (list, tuple)):
        for part in config:
            yield from _pipelines(part)


def _text(value: Any) -> str:
    """Return an object's text without its place in memory."""
    return re.sub(r' at 0x[0-9a-f]+', '', repr(value))
