"""How a network is run: layout, precision, compiled or not."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Callable, Optional

import torch
from torch import Tensor, nn

from ..taps import recorded

__all__ = ['Forward', 'in_float32', 'joined']


@dataclass(frozen=True)
class Forward:
    """Run a network on images, and record what its taps put out.

    Attributes:
        network: The network.
        channels_last: Whether images get that memory format.
        dtype: That of autocast; None for whatever is around.
        run: What to call in its place, such as the compiled network.
        done: What was done to it, for the log.
    """

    network: nn.Module
    channels_last: bool = False
    dtype: Optional[torch.dtype] = None
    run: Optional[Callable[[Tensor], Any]] = None
    done: tuple[str, ...] = ()

    def __call__(
        self, images: Tensor, names: Iterable[str]
    ) -> tuple[Any, dict[str, Any]]:
        """Return what the network puts out, and its taps by name.

        Args:
            images: (N, channels, height, width), as the network wants them.
            names: Its sub-modules and parameters.
        """
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        with recorded(self.network, names) as outputs, self._autocast(images):
            run = self.network if self.run is None else self.run
            result = run(images)
        if self.dtype is None:
            return result, outputs
        return in_float32(result), in_float32(outputs)

    def _autocast(self, images: Tensor) -> AbstractContextManager:
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(images.device.type, dtype=self.dtype)


def in_float32(output: Any) -> Any:
    """Return an output with every tensor of lower precision as float32."""
    if isinstance(output, Tensor):
        low = output.dtype in (torch.bfloat16, torch.float16)
        return output.float() if low else output
    if isinstance(output, MutableMapping):
        return _mapping(output, {k: in_float32(v) for k, v in output.items()})
    if isinstance(output, (tuple, list)):
        return _sequence(output, [in_float32(part) for part in output])
    return output


def joined(parts: list[Any]) -> Any:
    """Join the outputs of parts of a batch.

    Args:
        parts: Tensors (n, ...), containers of them, or a parameter, which is
            that of the whole batch.
    """
    first = parts[0]
    if isinstance(first, nn.Parameter) or len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(parts)
    if isinstance(first, MutableMapping):
        keys = list(first)
        return _mapping(
            first, {k: joined([p[k] for p in parts]) for k in keys}
        )
    if isinstance(first, (tuple, list)):
        return _sequence(first, [joined(list(each)) for each in zip(*parts)])
    return first


def _mapping(like: MutableMapping, values: dict) -> MutableMapping:
    """Return a mapping of the same type, such as an output of transformers."""
    result = copy.copy(like)
    for key, value in values.items():
        result[key] = value
    return result


def _sequence(like: Any, values: list) -> Any:
    """Return a tuple, named or not, or a list."""
    if hasattr(like, '_fields'):
        return type(like)(*values)
    return type(like)(values)
