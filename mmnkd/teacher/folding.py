"""Fold batch normalisation into the convolution before it: exact, in eval.

Which convolution that is, the data says: the one whose output is the
normalisation's input.
"""

from __future__ import annotations

import copy
import weakref
from collections import Counter
from collections.abc import Collection
from typing import Any, Callable, Optional

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

__all__ = ['fold_batch_norms', 'shared_copy']

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMALISATIONS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
)


def shared_copy(network: nn.Module) -> nn.Module:
    """Copy the modules of a network, but none of its tensors."""
    tensors = [*network.parameters(), *network.buffers()]
    memo: dict[int, Any] = {id(tensor): tensor for tensor in tensors}
    return copy.deepcopy(network, memo)


def fold_batch_norms(
    network: nn.Module, run: Callable[[], Any], taps: Collection[str]
) -> int:
    """Fold each batch normalisation that alone reads a convolution's output.

    That the network does so in its modules; what functions read in between,
    or modules by keyword, can't be seen, so compare the outputs. Subclasses
    that do more, such as timm's BatchNormAct2d, stay as they are.

    Args:
        network: A network in eval mode, changed in place; no tensor is.
        run: A forward of it.
        taps: Sub-modules and parameters that have to stay what they are.

    Returns:
        How many were folded.
    """
    names = {module: name for name, module in network.named_modules()}
    pairs = [
        (convolution, norm)
        for convolution, norm in _pairs(network, run)
        if not _is_tapped(names[convolution], names[norm], taps)
    ]
    for convolution, norm in pairs:
        _fold(convolution, norm)
        owner, _, child = names[norm].rpartition('.')
        setattr(network.get_submodule(owner), child, nn.Identity().eval())
    return len(pairs)


def _pairs(
    network: nn.Module, run: Callable[[], Any]
) -> list[tuple[nn.Module, nn.Module]]:
    """Return convolutions with the one normalisation that reads each."""
    sources: dict[int, tuple[weakref.ref, nn.Module]] = {}
    readers: dict[nn.Module, list[nn.Module]] = {}
    calls: Counter[nn.Module] = Counter()

    def read(module: nn.Module, args: tuple) -> None:
        for value in args:
            alive, source = sources.get(id(value), (None, None))
            if source is not None and alive is not None and alive() is value:
                readers[source].append(module)

    def called(module: nn.Module, args: tuple, output: Any) -> None:
        calls[module] += 1
        if type(module) in _CONVOLUTIONS and isinstance(output, Tensor):
            sources[id(output)] = weakref.ref(output), module
            readers.setdefault(module, [])

    leaves = [m for m in network.modules() if not list(m.children())]
    handles = [leaf.register_forward_pre_hook(read) for leaf in leaves]
    handles += [leaf.register_forward_hook(called) for leaf in leaves]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return [
        (source, found[0])
        for source, found in readers.items()
        if len(found) == 1
        and calls[source] == calls[found[0]] == 1
        and _has_statistics(found[0])
        and not (source._forward_hooks or source._forward_pre_hooks)
    ]


def _has_statistics(norm: nn.Module) -> bool:
    return (
        type(norm) in _NORMALISATIONS
        and norm.running_mean is not None
        and not norm.training
        and not (norm._forward_hooks or norm._forward_pre_hooks)
    )


def _is_tapped(convolution: str, norm: str, taps: Collection[str]) -> bool:
    """Tell whether a tap reads what lies between the two, or is in them."""
    return any(
        (f'{tap}.'.startswith((f'{convolution}.', f'{norm}.')) and tap != norm)
        or (
            f'{convolution}.'.startswith(f'{tap}.')
            and not f'{norm}.'.startswith(f'{tap}.')
        )
        for tap in taps
    )


@torch.no_grad()
def _fold(convolution: Any, norm: Any) -> None:
    """Fold in float64, so that the result is rounded once."""
    dtype = convolution.weight.dtype
    weight, bias = fuse_conv_bn_weights(
        _double(convolution.weight),
        _double(convolution.bias),
        _double(norm.running_mean),
        _double(norm.running_var),
        norm.eps,
        _double(norm.weight),
        _double(norm.bias),
    )
    convolution.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    convolution.bias = nn.Parameter(bias.to(dtype), requires_grad=False)


def _double(tensor: Optional[Tensor]) -> Any:
    return None if tensor is None else tensor.double()
