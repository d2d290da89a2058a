"""What mmcv and torch can make faster in a teacher's forward.

Convolutions get channels-last memory, and mmcv folds batch normalization into
them; autocast lowers the precision and torch.compile compiles, where they are
asked for. Each step is compared with the plain network on the first batch, and
left out where the outputs are not those of the plain network.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Optional

import torch
from mmcv.cnn import fuse_conv_bn
from mmengine.logging import print_log
from torch import Tensor, nn

from ..taps import recorded

# The largest error of a sample's outputs, relative to their size. Rounding
# alone stays below: 1e-5 in float32, 1e-3 in TF32, 3e-2 in bfloat16.
LIMITS = {
    'channels_last': 1e-2,
    'folding': 1e-2,
    'dtype': 1e-1,
    'compile': 1e-1,
}

_NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
)


@dataclass(frozen=True)
class Forward:
    """Run a network, and record what taps put out.

    Attributes:
        network: The network whose modules are tapped.
        run: What is called in its place, a compiled one.
        channels_last: Whether the images get that memory format.
        dtype: That of autocast; None leaves the one that is around.
    """

    network: nn.Module
    run: Optional[Callable[[Tensor], Any]] = None
    channels_last: bool = False
    dtype: Optional[torch.dtype] = None

    def __call__(
        self, images: Tensor, taps: Mapping[str, str]
    ) -> tuple[Any, dict[str, Any]]:
        """Return the network's output, and the outputs by tap."""
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        run = self.network if self.run is None else self.run
        with recorded(self.network, taps) as outputs:
            if self.dtype is None:
                return run(images), outputs
            with torch.autocast(images.device.type, dtype=self.dtype):
                result = run(images)
        return result, {k: _float32(v) for k, v in outputs.items()}


@torch.compiler.disable
def accelerated(
    plain: Forward,
    images: Tensor,
    taps: Mapping[str, str],
    logits_of: Optional[Callable[[Any, dict], Tensor]],
    *,
    accelerate: bool,
    dtype: Optional[torch.dtype],
    compile: bool,
) -> Forward:
    """Return a faster forward, as far as its outputs are the plain one's.

    Args:
        plain: The forward of a network in eval mode, which stays as it is.
        images: (N, channels, height, width); the first 4 are compared.
        taps: What will be wanted, see :func:`recorded`.
        logits_of: Finds (N, C) logits in what a forward returns, if wanted.
        accelerate: Whether to change the memory format and fold norms.
        dtype: Of autocast, None for whatever is around.
        compile: Whether to use torch.compile, which sees no taps.
    """
    some = images[:4]  # enough: in eval mode they are independent

    def outputs_of(forward: Forward) -> list[Tensor]:
        result, outputs = forward(some, taps)
        found = [v for v in outputs.values() if isinstance(v, Tensor)]
        if logits_of is not None:
            logits = logits_of(result, outputs).float()
            found.append(logits - logits.mean(dim=1, keepdim=True))
        return found

    steps: dict[str, Callable[[Forward], Forward]] = {}
    modules = [*plain.network.modules()]
    # A transformer has one convolution, which isn't worth a copy.
    if accelerate and sum(isinstance(m, nn.Conv2d) for m in modules) > 1:
        steps['channels_last'] = _in_channels_last
    if accelerate and _can_fold(plain.network):
        steps['folding'] = _folded
    if dtype is not None:
        steps['dtype'] = partial(_in_dtype, dtype=dtype, device=images.device)
    if compile:
        steps['compile'] = partial(_compiled, taps=taps)
    if not steps:
        return plain

    fast = plain
    devices = [images.device] if images.is_cuda else []
    # The student's random numbers are those of a run without this.
    with (
        torch.random.fork_rng(devices),
        torch.autocast(images.device.type, enabled=False),
    ):
        expected = outputs_of(plain)
        for step, make in steps.items():
            try:
                candidate = make(fast)
                error = _largest_error(outputs_of(candidate), expected)
            except Exception as problem:  # of a network or a compiler
                _say(step, f'left out, it failed: {problem}', logging.WARNING)
                continue
            change = f'outputs change by {error:.0e}'
            if error <= LIMITS[step]:
                fast = candidate
                _say(step, f'on, {change} at most')
                continue
            limit = f'{LIMITS[step]:.0e} is allowed'
            _say(step, f'left out, {change} ({limit})', logging.WARNING)
    return fast


def _in_channels_last(forward: Forward) -> Forward:
    network = copy.deepcopy(forward.network)
    network.to(memory_format=torch.channels_last)
    return replace(forward, network=network, channels_last=True)


def _folded(forward: Forward) -> Forward:
    network = fuse_conv_bn(copy.deepcopy(forward.network))
    return replace(forward, network=network)


def _in_dtype(
    forward: Forward, *, dtype: torch.dtype, device: torch.device
) -> Forward:
    probe = torch.ones(8, 8, device=device)
    with torch.autocast(device.type, dtype=dtype):
        if torch.mm(probe, probe).dtype != dtype:
            raise ValueError(f'{device} has no autocast to {dtype}')
    return replace(forward, dtype=dtype)


def _compiled(forward: Forward, *, taps: Mapping[str, str]) -> Forward:
    if taps:
        raise ValueError(f'it does not see the taps {sorted(taps)}')
    return replace(forward, run=torch.compile(forward.network, dynamic=False))


def _can_fold(network: nn.Module) -> bool:
    """Tell whether all norms are plain batch norms, and there are some.

    A subclass may do more than normalize: timm's has an activation, which
    folding would lose.
    """
    norms = [m for m in network.modules() if isinstance(m, _NORMS)]
    return bool(norms) and all(type(m) in _NORMS for m in norms)


def _largest_error(actual: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest error of a sample, relative to what was expected."""
    errors = [
        (a.float() - b.float()).flatten(1).norm(dim=1)
        / b.float().flatten(1).norm(dim=1).clamp(min=1e-12)
        for a, b in zip(actual, expected)
        if b.ndim > 1
    ]
    return torch.cat(errors).max().item()  # NaN where there is one


def _float32(output: Any) -> Any:
    """Return a tensor, or a tuple or list of tensors, in float32."""
    if isinstance(output, Tensor):
        return output.float() if output.is_floating_point() else output
    if type(output) in (tuple, list):
        return type(output)(map(_float32, output))
    return output


def _say(step: str, what: str, level: int = logging.INFO) -> None:
    text = ' '.join(what.split())[:300]
    print_log(f'Teacher: {step} is {text}', 'current', level)
