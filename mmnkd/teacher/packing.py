"""Convolutions on a CPU whose weights lie as oneDNN wants them.

Else it reorders them in each forward: with folding and channels_last alone
ResNet-50 takes 0.89 of its plain time, packed 0.77 (8x224x224, one thread,
medians of 10 rounds). torch.compile does the same, with these calls.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any, Callable

import torch
from torch import Tensor, nn

__all__ = ['PackedConv2d', 'pack', 'unpack']


class PackedConv2d(nn.Conv2d):
    """Stand in for a convolution, with all of its attributes.

    But ``weight`` is in the order of oneDNN, and no parameter.

    Args:
        convolution: The convolution.
        shape: That of its input. Others are slower.
        dtype: float32 or bfloat16.
    """

    def __init__(
        self, convolution: nn.Conv2d, shape: torch.Size, dtype: torch.dtype
    ) -> None:
        nn.Module.__init__(self)
        own = vars(self).keys()
        settings = vars(convolution).items()
        vars(self).update({k: v for k, v in settings if k not in own})
        self.train(convolution.training)
        bias, weight = convolution.bias, convolution.weight.detach().to(dtype)
        packed = torch.ops.mkldnn._reorder_convolution_weight(
            weight.contiguous(memory_format=torch.channels_last),
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
            list(shape),
        )
        if bias is not None:
            bias = bias.detach().to(dtype)
        vars(self).update(weight=packed, bias=bias)  # not as parameters

    def __deepcopy__(self, memo: dict) -> PackedConv2d:
        # Its weight has no storage to copy, and never changes.
        copied = copy.copy(self)
        memo[id(self)] = copied
        return copied

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        return torch.ops.mkldnn._convolution_pointwise(
            input.to(self.weight.dtype),
            self.weight,
            self.bias,
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
            *('none', [], ''),  # nothing is done to the result
        )

    def unpacked(self) -> nn.Conv2d:
        """Return a convolution in float32, of weights rounded to the dtype."""
        convolution = nn.Conv2d.__new__(nn.Conv2d)
        nn.Module.__init__(convolution)
        own = {*vars(convolution), 'weight', 'bias'}
        settings = vars(self).items()
        vars(convolution).update({k: v for k, v in settings if k not in own})
        for name, value in (
            ('weight', self.weight.to_dense()),
            ('bias', self.bias),
        ):
            if value is not None:
                value = nn.Parameter(value.float(), requires_grad=False)
            convolution.register_parameter(name, value)
        return convolution.train(self.training)


def pack(
    network: nn.Module,
    run: Callable[[], Any],
    dtype: torch.dtype,
    taps: Collection[str],
) -> int:
    """Pack the convolutions of a network, and return how many.

    Args:
        network: Changed in place.
        run: A forward of it, on as many images as it will get.
        dtype: float32 or bfloat16.
        taps: Sub-modules and parameters that will be wanted.
    """
    shapes: dict[nn.Module, torch.Size] = {}

    def record(module: nn.Module, args: tuple) -> None:
        if args:
            shapes[module] = args[0].shape

    names = {
        module: name
        for name, module in network.named_modules()
        if _is_packable(module)
        and not {f'{name}.weight', f'{name}.bias'} & set(taps)
    }
    handles = [module.register_forward_pre_hook(record) for module in names]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    for module, shape in shapes.items():
        assert isinstance(module, nn.Conv2d)  # _is_packable
        _replace(network, names[module], PackedConv2d(module, shape, dtype))
    return len(shapes)


def unpack(network: nn.Module) -> None:
    """Undo :func:`pack`, so that the network can go to another device."""
    for name, module in list(network.named_modules()):
        if isinstance(module, PackedConv2d):
            _replace(network, name, module.unpacked())


def _is_packable(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.weight.dtype == torch.float32
        and module.padding_mode == 'zeros'
        and not isinstance(module.padding, str)
        and not (module._forward_hooks or module._forward_pre_hooks)
    )


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, child = name.rpartition('.')
    setattr(network.get_submodule(owner), child, module)
