"""What a teacher's options may be, and how a network initialises itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Optional, Union

import torch
from mmengine.model import BaseModule
from mmpretrain.models import HuggingFaceClassifier, TimmClassifier
from torch import nn

from ..functional.checks import check_count, check_share
from .source import find_weights
from .speedup import Speedup

__all__ = [
    'NOT_GIVEN',
    'check_class_indices',
    'check_source',
    'initialise',
    'speedup_for',
]

NOT_GIVEN: Any = object()


def check_source(model: Any, checkpoint: Any, mode: str) -> None:
    """Expect a checkpoint, or an explicit None, and a mode.

    Raises:
        TypeError: The checkpoint is no path.
        ValueError: There is none, or the mode is unknown.
    """
    if checkpoint is NOT_GIVEN:
        known = find_weights(model)
        example = f' (the model zoo has {known!r})' if known else ''
        raise ValueError(
            'Expected `teacher.checkpoint`, but got none. Give the path '
            f"or URL of the teacher's weights{example}, or None to keep "
            "the model's own initialisation."
        )
    if mode not in ('eval', 'train'):
        raise ValueError(
            "Expected `teacher.mode` to be 'eval' or 'train', but got "
            f'{mode!r}.'
        )
    if not isinstance(checkpoint, (str, os.PathLike, type(None))):
        raise TypeError(
            'Expected `teacher.checkpoint` to be a path, a URL or None, '
            f'but got {checkpoint!r}.'
        )


def initialise(network: nn.Module) -> None:
    """Let the network initialise itself, without undoing `pretrained=True`."""
    if isinstance(network, (TimmClassifier, HuggingFaceClassifier)):
        # The other library has done it. mmengine would call its
        # `init_weights`, which some networks of timm have, once more.
        network.model.is_init = True
    if isinstance(network, BaseModule):
        network.init_weights()


def check_class_indices(
    indices: Optional[Sequence[int]],
) -> Optional[list[int]]:
    """Expect class indices of the teacher, or None.

    Raises:
        ValueError: They aren't a list of ints >= 0.
    """
    if indices is None:
        return None
    if (
        not isinstance(indices, (tuple, list))
        or not indices
        or not all(type(i) is int and i >= 0 for i in indices)
    ):
        raise ValueError(
            'Expected `teacher.class_indices` to be a list of ints >= 0, one '
            f'for each class of the student, but got {indices!r}.'
        )
    return list(indices)


def speedup_for(
    mode: str,
    *,
    accelerate: bool,
    dtype: Union[str, torch.dtype, None],
    compile: bool,
    tolerance: float,
    micro_batch_size: Optional[int],
) -> Optional[Speedup]:
    """Return what may be done to the forward, None for nothing.

    Raises:
        TypeError, ValueError: An option can't be what it is.
    """
    check_share('teacher.tolerance', tolerance)
    check_count('teacher.micro_batch_size', micro_batch_size)
    speedup = Speedup(accelerate, _autocast_dtype(dtype), compile, tolerance)
    if mode == 'eval':
        wanted = accelerate or dtype is not None or compile
        return speedup if wanted else None
    if dtype is not None or compile or micro_batch_size is not None:
        raise ValueError(
            'Expected no `dtype`, `compile` or `micro_batch_size` of a '
            "`teacher` in mode 'train', whose outputs depend on the whole "
            'batch and can not be compared.'
        )
    return None


def _autocast_dtype(
    dtype: Union[str, torch.dtype, None],
) -> Optional[torch.dtype]:
    known = {'bfloat16': torch.bfloat16, 'float16': torch.float16}
    name = str(dtype).rpartition('.')[2]
    if dtype is not None and name not in known:
        raise ValueError(
            f'Expected `teacher.dtype` to be one of {sorted(known)} or None, '
            f'but got {dtype!r}.'
        )
    return known.get(name)
