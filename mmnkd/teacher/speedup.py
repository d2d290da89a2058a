"""Make a teacher's forward fast, one step after another, each compared.

A step that fails, or after which the outputs are not those of the plain
network, is left out, and the log says so.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Callable, NamedTuple, Optional

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .folding import fold_batch_norms, shared_copy
from .forward import Forward
from .packing import pack

__all__ = ['Speedup']

_EXACT = 1e-4  # the largest error of steps that only round differently
_COMPARED = 8  # images

# From what a network and its taps put out, logits or None.
LogitsOf = Callable[[Any, dict[str, Any]], Optional[Tensor]]


@dataclass(frozen=True)
class Speedup:
    """Say what may be done to a teacher's forward.

    Attributes:
        accelerate: Fold batch normalisation, take channels-last memory and,
            on a CPU, weights in the order of oneDNN: exact but for rounding.
        dtype: That of autocast, None for whatever is around.
        compile: Whether to use torch.compile.
        tolerance: The largest error that `dtype` may bring.
    """

    accelerate: bool = True
    dtype: Optional[torch.dtype] = None
    compile: bool = False
    tolerance: float = 0.1

    def __call__(
        self,
        plain: Forward,
        images: Tensor,
        names: Collection[str],
        logits_of: LogitsOf,
    ) -> Forward:
        """Return a faster forward whose outputs are those of the plain one.

        Args:
            plain: The forward of a network in eval mode.
            images: The first batch, (N, channels, height, width). The outputs
                for its first 8 are compared.
            names: Sub-modules and parameters whose values will be wanted.
            logits_of: What finds the logits.
        """
        some = images[:_COMPARED]
        steps = list(self._steps(images, names))
        with _in_full_precision(images.device):
            expected = _Outputs.of(plain, some, names, logits_of)
            fast, found = plain, None
            for step in steps:
                try:
                    candidate = step.make(fast)
                    outputs = _Outputs.of(candidate, some, names, logits_of)
                except Exception as problem:  # of a network or a compiler
                    _say_no(step.name, f'fails: {_one_line(problem)}')
                    continue
                error = outputs.error(expected)
                if error.is_within(step.limit):
                    fast, found = candidate, error
                else:
                    _say_no(step.name, f'is off {error}')
        if found is not None:
            done = ', '.join(fast.done)
            print_log(f'Teacher runs with {done}: off {found}.', 'current')
        return fast

    def _steps(
        self, images: Tensor, names: Collection[str]
    ) -> Iterator[_Step]:
        limit = _EXACT
        if self.accelerate:
            yield _Step(
                'accelerate', lambda f: _fold(f, images[:1], names), limit
            )
        if self.dtype is not None:
            limit = self.tolerance
            dtype = self.dtype
            name = f'dtype={_name(dtype)!r}'
            yield _Step(name, lambda f: _cast(f, images, dtype), limit)
        if self.compile:
            yield _Step('compile', lambda f: _compile(f, images, names), limit)
        elif self.accelerate and self._packs(images):
            yield _Step('packing', lambda f: _pack(f, images, names), limit)

    def _packs(self, images: Tensor) -> bool:
        """Tell whether oneDNN will run, in a dtype that is known now."""
        if (
            images.device.type != 'cpu'
            or not torch.backends.mkldnn.is_available()
        ):
            return False
        probe = torch.ones(1, 1)
        is_plain = torch.mm(probe, probe).dtype == torch.float32
        return is_plain if self.dtype is None else self.dtype == torch.bfloat16


class _Step(NamedTuple):
    name: str
    make: Callable[[Forward], Forward]
    limit: float


class _Error(NamedTuple):
    """Hold the largest errors; None of what there is not."""

    logit: Optional[float]
    highest: Optional[float]  # absolute logit
    probability: Optional[float]
    features: Optional[float]  # relative to the largest

    def is_within(self, limit: float) -> bool:
        errors = (self.probability, self.features)
        return all(error <= limit for error in errors if error is not None)

    def __str__(self) -> str:
        parts = []
        if self.logit is not None:
            parts += [
                f'by up to {self.logit:.1e} in the logits (which reach '
                f'{self.highest:.1f})',
                f'{self.probability:.1e} in probability',
            ]
        if self.features is not None:
            parts.append(f'{self.features:.1e} of the largest feature')
        return ', '.join(parts)


class _Outputs(NamedTuple):
    logits: Optional[Tensor]
    features: list[Tensor]

    @classmethod
    def of(
        cls,
        forward: Forward,
        images: Tensor,
        names: Collection[str],
        logits_of: LogitsOf,
    ) -> _Outputs:
        result, outputs = forward(images, names)
        logits = logits_of(result, outputs)
        features = list(_tensors(outputs))
        return cls(None if logits is None else logits.float(), features)

    def error(self, expected: _Outputs) -> _Error:
        logit = highest = probability = features = None
        if self.logits is not None and expected.logits is not None:
            logit = _largest(self.logits - expected.logits)
            highest = _largest(expected.logits)
            probability = _largest(
                self.logits.softmax(dim=1) - expected.logits.softmax(dim=1)
            )
        pairs = list(zip(self.features, expected.features))
        if pairs:
            features = max(
                _largest(a.float() - b.float())
                / max(_largest(b.float()), torch.finfo(torch.float32).tiny)
                for a, b in pairs
            )
        return _Error(logit, highest, probability, features)


def _largest(tensor: Tensor) -> float:
    return tensor.abs().max().item()


def _tensors(output: Any) -> Iterator[Tensor]:
    """Yield what an output has of floating tensors."""
    if isinstance(output, Tensor):
        if output.is_floating_point() and output.numel():
            yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _tensors(part)
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _tensors(part)


def _fold(forward: Forward, images: Tensor, names: Collection[str]) -> Forward:
    network = shared_copy(forward.network)
    folded = fold_batch_norms(network, lambda: network(images), names)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.contiguous(
                memory_format=torch.channels_last
            )
            module.weight = nn.Parameter(weight, requires_grad=False)
    done = (*forward.done, 'channels_last memory')
    if folded:
        done = (*done, f'{folded} batch norms folded')
    return replace(forward, network=network, channels_last=True, done=done)


def _cast(forward: Forward, images: Tensor, dtype: torch.dtype) -> Forward:
    device = images.device.type
    probe = torch.ones(8, 8, device=images.device)
    with warnings.catch_warnings():  # of a dtype that is not used, then
        warnings.simplefilter('error')
        with torch.autocast(device, dtype=dtype):
            if torch.mm(probe, probe).dtype != dtype:
                raise RuntimeError(f'{device} has no autocast to {dtype}')
    return replace(forward, dtype=dtype, done=(*forward.done, _name(dtype)))


def _pack(forward: Forward, images: Tensor, names: Collection[str]) -> Forward:
    dtype = forward.dtype or torch.float32
    network = shared_copy(forward.network)
    packed = replace(forward, network=network)
    count = pack(network, lambda: packed(images, ()), dtype, names)
    return replace(packed, done=(*forward.done, f'{count} weights packed'))


def _compile(
    forward: Forward, images: Tensor, names: Collection[str]
) -> Forward:
    if names:
        raise ValueError(
            f'the taps {sorted(names)} are read by hooks, which torch.compile '
            'does not see'
        )
    compiled = replace(
        forward,
        run=torch.compile(forward.network),
        done=(*forward.done, 'torch.compile'),
    )
    compiled(images, ())  # for the size of a batch first
    return compiled


@contextlib.contextmanager
def _in_full_precision(device: torch.device) -> Iterator[None]:
    """Compare without the autocast and TF32 that may be around."""
    flags: AbstractContextManager = contextlib.nullcontext()
    if device.type == 'cuda':
        cudnn = torch.backends.cudnn
        flags = cudnn.flags(
            enabled=cudnn.enabled,
            benchmark=cudnn.benchmark,
            deterministic=cudnn.deterministic,
            allow_tf32=False,
        )
    with torch.autocast(device.type, enabled=False), flags:
        yield


def _say_no(step: str, reason: str) -> None:
    print_log(
        f'Teacher runs without `{step}`, which {reason}.',
        'current',
        logging.WARNING,
    )


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split())[:300] or type(error).__name__


def _name(dtype: torch.dtype) -> str:
    return str(dtype).rpartition('.')[2]
