"""Make a teacher's forward fast, one step after another, each compared.

A step that fails, or after which the outputs are not those of the plain
network, is left out, and the log says so.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, NamedTuple, Optional

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .comparison import EXACT, Limits, LogitsOf, Outputs, full_precision
from .folding import fold_batch_norms, shared_copy
from .forward import Forward
from .packing import pack

__all__ = ['Speedup']

_COMPARED = 8  # images


@dataclass(frozen=True)
class Speedup:
    """Say what may be done to a teacher's forward.

    Attributes:
        accelerate: Fold batch normalisation, take channels-last memory and,
            on a CPU, weights in the order of oneDNN: exact but for rounding.
        dtype: That of autocast, None for whatever is around.
        compile: Whether to use torch.compile.
        tolerance: The largest error in probability that `dtype` may bring.
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
        steps = self._steps(images, names)
        fast, error = plain, None
        # The student's random numbers are those of a run without all this.
        devices = [images.device] if images.is_cuda else []
        with torch.random.fork_rng(devices), full_precision(images.device):
            expected = Outputs.of(plain, some, names, logits_of)
            for step in steps:
                try:
                    candidate = step.make(fast)
                    if candidate is fast:  # nothing to do
                        continue
                    outputs = Outputs.of(candidate, some, names, logits_of)
                    found = outputs.error(expected)
                except Exception as problem:  # of a network or a compiler
                    _say_no(step.name, f'fails: {_one_line(problem)}')
                    continue
                if found.is_within(step.limits):
                    fast, error = candidate, found
                else:
                    _say_no(step.name, f'is off {found}')
        if error is not None:
            done = ', '.join(fast.done)
            print_log(f'Teacher runs with {done}: off {error}.', 'current')
        return fast

    def _steps(self, images: Tensor, names: Collection[str]) -> list[_Step]:
        """Return what to try, in this order."""
        some, dtype = images[:_COMPARED], self.dtype
        limits, steps = EXACT, []
        if self.accelerate:
            steps = [
                _Step(
                    'batch norm folding',
                    partial(_fold, images=some, names=names),
                ),
                _Step('channels_last', _channels_last),
            ]
        if dtype is not None:
            name = f'dtype={_name(dtype)!r}'
            limits = Limits(self.tolerance, 10 * self.tolerance)
            make = partial(_cast, device=images.device, dtype=dtype)
            steps.append(_Step(name, make, limits))
        if self.compile:
            make = partial(_compile, images=images, names=names)
            steps.append(_Step('compile', make, limits))
        if self.accelerate and _packs(images.device, dtype):
            make = partial(_pack, images=images, names=names)
            steps.append(_Step('packing', make, limits))
        return steps


class _Step(NamedTuple):
    name: str
    make: Callable[[Forward], Forward]
    limits: Limits = EXACT


def _fold(forward: Forward, images: Tensor, names: Collection[str]) -> Forward:
    network = shared_copy(forward.network)
    count = fold_batch_norms(network, lambda: network(images), names)
    if not count:
        return forward
    done = (*forward.done, f'batch norms folded ({count})')
    return replace(forward, network=network, done=done)


def _channels_last(forward: Forward) -> Forward:
    network = shared_copy(forward.network)
    convolutions = [m for m in network.modules() if type(m) is nn.Conv2d]
    if not convolutions:
        return forward
    for module in convolutions:
        weight = module.weight.contiguous(memory_format=torch.channels_last)
        module.weight = nn.Parameter(weight, requires_grad=False)
    done = (*forward.done, 'channels_last memory')
    return replace(forward, network=network, channels_last=True, done=done)


def _cast(
    forward: Forward, device: torch.device, dtype: torch.dtype
) -> Forward:
    probe = torch.ones(8, 8, device=device)
    with warnings.catch_warnings():  # of a dtype that is not used, then
        warnings.simplefilter('error')
        with torch.autocast(device.type, dtype=dtype):
            if torch.mm(probe, probe).dtype != dtype:
                raise RuntimeError(f'{device} has no autocast to {dtype}')
    return replace(forward, dtype=dtype, done=(*forward.done, _name(dtype)))


def _packs(device: torch.device, dtype: Optional[torch.dtype]) -> bool:
    """Tell whether oneDNN will run, in a dtype that is known now."""
    if device.type != 'cpu' or not torch.backends.mkldnn.is_available():
        return False
    if not getattr(torch.backends.mkldnn, 'enabled', True):
        return False
    probe = torch.ones(1, 1, device=device)
    around = torch.mm(probe, probe).dtype  # of an autocast, if there is one
    known = torch.bfloat16 if dtype is not None else torch.float32
    return (dtype or around) == known


def _pack(forward: Forward, images: Tensor, names: Collection[str]) -> Forward:
    if forward.run is not None:  # torch.compile has done it
        return forward
    network = shared_copy(forward.network)
    packed = replace(forward, network=network)
    dtype = forward.dtype or torch.float32
    count = pack(network, lambda: packed(images, ()), dtype, names)
    if not count:
        return forward
    return replace(packed, done=(*forward.done, f'weights packed ({count})'))


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
