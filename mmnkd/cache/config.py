"""Text of ``cached.py``: a config that trains from a store beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..teacher.source import beside

__all__ = ['cached_config']


def cached_config(
    live: Any, folder: Path, weights: Mapping[int, str], replay: dict
) -> str:
    """Return the text of a config that inherits a live one.

    Args:
        live: The config of a live teacher, stored in `folder`, or of several,
            stored in ``folder/0``, ``folder/1`` ….
        folder: Where the text will be.
        weights: By number the hash of each stored teacher's weights.
        replay: Options of :class:`ReplayedDataset` that `live` doesn't have.
    """
    teacher, here = live.model.teacher, '{{ fileDirname }}'
    if isinstance(teacher, Mapping):
        stored: Any = {'cache': here, 'weights': weights[0], '_delete_': True}
    else:
        stored = list(teacher)
        for k in weights:
            stored[k] = {'cache': f'{here}/{k}', 'weights': weights[k]}
            stored[k]['weight'] = teacher[k].get('weight', 1.0)
    base = str(Path(live.filename).resolve())
    # By default the name of this file, which is that of every store's.
    work_dir = f'work_dirs/{Path(live.filename).stem}_cached_{folder.name}'
    config: dict[str, Any] = {
        '_base_': beside(base, folder.resolve() / 'cached.py'),
        'work_dir': work_dir,
        'model': {'teacher': stored},
    }
    if live.train_dataloader.dataset.type != 'ReplayedDataset':
        config['train_dataloader'] = {
            'dataset': _around('dataset', 'ReplayedDataset', **replay),
            'sampler': _around('sampler', 'ReplayedSampler'),
        }
    elif replay:
        config['train_dataloader'] = {'dataset': replay}
    text = Config(config).pretty_text
    return re.sub(r"'(\{\{_base_.*?\}\})'", r'\1', text)  # no strings


def _around(key: str, kind: str, **options: Any) -> dict[str, Any]:
    inner = {key: f'{{{{_base_.train_dataloader.{key}}}}}'}
    return {'_delete_': True, 'type': kind, **inner, **options}
