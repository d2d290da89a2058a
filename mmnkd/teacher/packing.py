"""Convolutions on a CPU whose weights lie as oneDNN wants them.

Else it reorders them in each forward: a tenth of ResNet-50's time at 8 images
(tools/benchmark.py teacher). torch.compile does the same, with these calls.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Callable

import torch
from torch import Tensor, nn

__all__ = ['PackedConv2d', 'pack', 'unpack']


class PackedConv2d(nn.Module):
    """Stand in for a convolution.

    Args:
        convolution: The convolution; its bias is shared.
        shape: That of its input. Others are slower.
        dtype: float32 or bfloat16.
    """

    def __init__(
        self, convolution: nn.Conv2d, shape: torch.Size, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.train(convolution.training)
        self.dtype = dtype
        self.settings = (
            convolution.padding,
            convolution.stride,
            convolution.dilation,
            convolution.groups,
        )
        weight = convolution.weight.detach().to(dtype)
        bias = convolution.bias
        self.bias = None if bias is None else bias.detach().to(dtype)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight.contiguous(memory_format=torch.channels_last),
            *self.settings,
            list(shape),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Convolve."""
        return torch.ops.mkldnn._convolution_pointwise(
            images.to(self.dtype),
            self.weight,
            self.bias,
            *self.settings,
            *('none', [], ''),  # nothing is done to the result
        )

    def unpacked(self) -> nn.Conv2d:
        """Return a convolution, in float32."""
        weight = self.weight.to_dense().float()
        settings: Any = self.settings
        padding, stride, dilation, groups = settings
        convolution = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            (weight.shape[2], weight.shape[3]),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=False,
            device='meta',
        )
        convolution.weight = nn.Parameter(weight, requires_grad=False)
        if self.bias is not None:
            bias = self.bias.float()
            convolution.bias = nn.Parameter(bias, requires_grad=False)
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
