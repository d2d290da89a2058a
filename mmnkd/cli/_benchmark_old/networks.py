"""Networks to measure: random, but with statistics as of trained ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..model_config import read_model_config

__all__ = [
    'SHORT_NAMES',
    'build',
    'count_classes',
    'random_images',
    'random_network',
    'read',
    'save',
]

SHORT_NAMES = {
    'resnet18': 'mmpretrain::resnet/resnet18_8xb32_in1k.py',
    'resnet34': 'mmpretrain::resnet/resnet34_8xb32_in1k.py',
    'resnet50': 'mmpretrain::resnet/resnet50_8xb32_in1k.py',
    'mobilenetv2': 'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py',
    'swin-tiny': 'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py',
}
LOGIT_STD = 3.0  # about that of a trained network's logits


def read(name: str) -> ConfigDict:
    """Return the model dict that a short name, a config or the zoo has.

    Raises:
        FileNotFoundError, ValueError: There is none.
    """
    return read_model_config(SHORT_NAMES.get(name, name))


def build(config: dict) -> BaseModel:
    """Build a network as a Runner does."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(config)


@torch.no_grad()
def count_classes(name: str, sizes: Sequence[int]) -> int:
    """Run a network on one image of each size, and count its logits.

    Raises:
        FileNotFoundError, ValueError: There is no such network, or it doesn't
            put out logits for images of these sizes.
    """
    network = build(read(name)).eval()
    logits = None
    for size in sizes:
        try:
            logits = network(torch.zeros(1, 3, size, size))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(
                f'{name} fails on an image of {size} px: '
                f'{str(error).splitlines()[0]}'
            ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        raise ValueError(f'{name} puts out no logits: {type(logits)}')
    return logits.shape[1]


def random_images(batch: int, size: int, device: torch.device) -> Tensor:
    """Return (N, 3, size, size) images as a preprocessor hands them on."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 3, size, size, generator=generator).to(device)


def random_network(config: ConfigDict, images: Tensor) -> BaseModel:
    """Build a network whose batch norms and logits are as of a trained one.

    Fresh batch norms have mean 0, variance 1 and a trivial affine map: to fold
    them changes nothing, and would tell nothing about the errors.

    Args:
        config: The model dict.
        images: What it will look at; its statistics are measured on them.

    Returns:
        The network in eval mode, on the images' device.
    """
    network = build(config)
    network.init_weights()
    network.to(images.device)
    with torch.no_grad():
        _measure_statistics(network, images)
        network.eval()
        _scale_logits(network, images)
    return network


def _measure_statistics(network: nn.Module, images: Tensor) -> None:
    """Draw the affine maps, measure the statistics, and move them a little."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = 1.0  # the statistics become those of this batch
    network.train()
    network(images)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        mean, var = norm.running_mean, norm.running_var
        assert mean is not None
        assert var is not None
        mean += 0.1 * var.sqrt() * torch.randn_like(mean)
        var *= torch.empty_like(var).uniform_(0.8, 1.25)


def _scale_logits(network: nn.Module, images: Tensor) -> None:
    """Scale the last linear layer, so that the logits have `LOGIT_STD`."""
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    scale = LOGIT_STD / network(images).std()
    linear[-1].weight.mul_(scale)
    if linear[-1].bias is not None:
        linear[-1].bias.mul_(scale)


def save(network: nn.Module, folder: Path) -> str:
    """Write the weights to a file, for a teacher that loads them."""
    path = folder / 'weights.pth'
    torch.save({'state_dict': network.state_dict()}, path)
    return str(path)
