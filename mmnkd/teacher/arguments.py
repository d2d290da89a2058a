"""Arguments of a teacher, checked as they are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional, Union

import torch

from .source import find_weights

NOT_GIVEN: Any = object()
_DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


def check_checkpoint(model: Any, checkpoint: Any) -> None:
    """Expect a checkpoint, or None in so many words."""
    if checkpoint is NOT_GIVEN:
        known = find_weights(model)
        example = f' (the model zoo has {known!r})' if known else ''
        raise ValueError(
            'Expected `teacher.checkpoint`, but got none. Give the path or '
            f"URL of the teacher's weights{example}, or None to keep the "
            "model's own initialization."
        )
    if not isinstance(checkpoint, (str, os.PathLike, type(None))):
        raise TypeError(
            'Expected `teacher.checkpoint` to be a path, a URL or None, but '
            f'got {checkpoint!r}.'
        )


def check_class_indices(indices: Any) -> None:
    """Expect a class of the teacher for each of the student's, or None."""
    if indices is None:
        return
    if (
        not isinstance(indices, (tuple, list))
        or not indices
        or not all(type(i) is int and i >= 0 for i in indices)
    ):
        raise ValueError(
            'Expected `teacher.class_indices` to be a list of ints >= 0, one '
            f'for each class of the student, but got {indices!r}.'
        )


def autocast_dtype(
    dtype: Union[str, torch.dtype, None],
) -> Optional[torch.dtype]:
    """Return the low precision that is asked for, None for float32."""
    name = str(dtype).rpartition('.')[2]
    if dtype is not None and name not in _DTYPES:
        raise ValueError(
            f'Expected `teacher.dtype` to be one of {sorted(_DTYPES)} or '
            f'None, but got {dtype!r}.'
        )
    return _DTYPES.get(name)


def expect_live(teacher: Any) -> list[Any]:
    """Return the arguments of each teacher; a stored one has few answers."""
    is_one = isinstance(teacher, Mapping)
    teachers: Any = [teacher] if is_one else teacher
    if any('cache' in one for one in teachers):
        raise ValueError(
            'Expected a live teacher, but the config has a stored one, which '
            'has no answers for the validation images. Give `model` and '
            '`checkpoint` in place of `cache`.'
        )
    return teachers
