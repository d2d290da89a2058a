"""One forward on a blank image, to see what networks put out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..taps import TapError, recorded


def blank_image(model: nn.Module) -> Tensor:
    """Return one black image (1, channels, height, width) for a model.

    Its size is the first ``img_size`` (in transformers ``image_size``) that a
    sub-module has, else 224x224; its channels are the first convolution's.
    """
    sizes = (
        getattr(module, name, None)
        for module in model.modules()
        for name in ('img_size', 'image_size')
    )
    size = next((s for s in sizes if isinstance(s, (int, tuple, list))), 224)
    height, width = (size, size) if isinstance(size, int) else size
    return torch.zeros(1, input_channels(model), height, width)


def input_channels(model: nn.Module) -> int:
    """Return the channels of a model's first convolution, 3 without one."""
    convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    first = next(convolutions, None)
    return first.in_channels if first else 3


@torch.no_grad()
def dry_run(
    model: BaseModel, image: Tensor, taps: Mapping[str, str]
) -> dict[str, Any]:
    """Return a classifier's outputs by tap in eval mode; leave no trace."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with recorded(model, taps) as outputs:
            model(image, mode='tensor')
    finally:  # a user may have frozen some of the modules
        for module in training:
            module.training = True
    return outputs


@contextlib.contextmanager
def explained(network: str, image: Tensor, sizes: str) -> Iterator[None]:
    """Say what to declare where a network doesn't take a blank image."""
    try:
        yield
    except TapError:
        raise
    except Exception as error:  # a network may raise anything
        raise ValueError(
            f'Expected {network} to take an image of shape '
            f'{tuple(image.shape)}, by which {sizes} of losses are measured, '
            f'but got: {error}. Declare them in the config of the loss.'
        ) from error
