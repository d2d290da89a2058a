"""Where a classifier's logits are, and what to say where there are none."""

from __future__ import annotations

import inspect
from typing import Any, Optional

from mmpretrain.models.heads import MultiLabelClsHead
from torch import Tensor, nn

__all__ = ['as_logits', 'check_head']


def check_head(model: nn.Module, tap: str) -> None:
    """Refuse a head whose output isn't plain logits, before any training.

    Args:
        model: The student.
        tap: Name of its sub-module that should put out logits.

    Raises:
        ValueError: Why not, and which tap to name.
    """
    head = model.get_submodule(tap)
    problem = None
    if isinstance(head, MultiLabelClsHead):
        problem = 'has several labels a sample, which a softmax does not fit'
    elif 'target' in inspect.signature(head.forward).parameters:
        problem = 'puts out logits with a margin that depends on the target'
    if problem:
        raise ValueError(_advice(model, tap, 'logits_tap={!r}', problem))


def as_logits(output: Any, model: nn.Module, tap: str, option: str) -> Tensor:
    """Return a network's output as (N, C) logits.

    Args:
        output: A tensor, or an output of transformers with ``logits``.
        model: The network.
        tap: Name of the sub-module, '' for the network itself.
        option: How to name another one, with ``{!r}`` for its name.

    Raises:
        ValueError: What came instead, and which tap to name.
    """
    logits = getattr(output, 'logits', output)
    if isinstance(logits, Tensor) and logits.ndim == 2:
        return logits
    if isinstance(logits, Tensor):
        problem = f'puts out a tensor of shape {tuple(logits.shape)}'
    elif isinstance(logits, (tuple, list)):
        problem = f'puts out a {type(logits).__name__} of {len(logits)}'
    else:
        problem = f'puts out a {type(logits).__name__}'
    raise ValueError(_advice(model, tap, option, problem))


def _advice(
    model: nn.Module, tap: str, option: str, problem: Optional[str]
) -> str:
    module = model.get_submodule(tap)
    place = f'`{tap}`, a {type(module).__name__},' if tap else type(module)
    linear = [
        name
        for name, child in model.named_modules()
        if isinstance(child, nn.Linear) and name.startswith(tap)
    ]
    example = linear[-1] if linear else 'head.fc'
    return (
        f'Expected (N, C) logits of single-label classes, but {place} '
        f'{problem}. Name the sub-module that puts them out: '
        f'{option.format(example)}. Linear layers there: {linear[-8:]}; what '
        'the head does to their output, such as to scale it, is not in it.'
    )
