"""Text of ``cached.py``: a config that trains from a store beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

__all__ = ['cached_config']

_HEAD = '''"""Training from stored outputs of the teacher.

Written by: {command}
"""

_base_ = {base!r}

model = dict(
    teacher={teacher})
'''
_DATA = """train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ReplayedDataset',
        dataset={{{{_base_.train_dataloader.dataset}}}}{options}),
    sampler=dict(
        _delete_=True,
        type='ReplayedSampler',
        sampler={{{{_base_.train_dataloader.sampler}}}}))
"""


def cached_config(
    base: Path,
    folder: Path,
    teacher: Any,
    weights: Mapping[int, str],
    *,
    command: str,
    replay: Optional[Mapping[str, Any]],
) -> str:
    """Return the text of a config that inherits a live one.

    Args:
        base: The live config.
        folder: Where the text will be.
        teacher: The live config's: a dict, stored in `folder`, or a list,
            stored in ``folder/0``, ``folder/1`` ….
        weights: By number the hash of each stored teacher's weights.
        command: Which wrote the store.
        replay: Options of :class:`ReplayedDataset`; None where the live config
            replays already.
    """
    if isinstance(teacher, Mapping):
        text = f'dict(\n        _delete_=True, {_stored("", weights[0])})'
    else:
        entries = [
            f'dict({_stored(f"/{number}", weights[number])}, '
            f'weight={entry.get("weight", 1.0)})'
            if number in weights
            else repr(dict(entry))
            for number, entry in enumerate(teacher)
        ]
        text = '[\n        ' + ',\n        '.join(entries) + ']'
    relative = os.path.relpath(base.resolve(), folder.resolve())
    head = _HEAD.format(command=command, base=relative, teacher=text)
    if replay is None:
        return head
    options = ''.join(f', {key}={value!r}' for key, value in replay.items())
    return head + _DATA.format(options=options)


def _stored(place: str, weights: str) -> str:
    folder = '{{ fileDirname }}' + place
    return f"cache='{folder}', weights='{weights}'"
