"""What taps put out, as feature maps, patch tokens or vectors.

Networks differ: a convolution puts out a map, timm's Swin one with the
channels last, a transformer's block tokens with or without a class token in
front, a stage of mmpretrain's Swin tokens with the height and width of their
grid, a backbone a tuple of stages.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch import Tensor, nn


def tensor_of(output: Any) -> Tensor:
    """Return the features in a tap's output, of 2 to 4 dimensions.

    It is a tensor, an output of transformers with ``last_hidden_state``, or a
    tuple or list whose last tensor is taken: of a backbone, the deepest stage.
    """
    output = getattr(output, 'last_hidden_state', output)
    if isinstance(output, (tuple, list)):
        tensors = [x for x in output if isinstance(x, Tensor)]
        output = tensors[-1] if tensors else output
    if not isinstance(output, Tensor):
        raise TypeError(
            'Expected a tap that puts out features, but it put out '
            f'{type(output).__name__} without a tensor.'
        )
    if output.ndim not in (2, 3, 4):
        raise ValueError(
            'Expected features of shape (N, C, H, W), (N, L, C) or (N, C), '
            f'but got {tuple(output.shape)}.'
        )
    return output


def channels_of(output: Any) -> int:
    """Return the number of channels of a tap's output for square images."""
    features = tensor_of(output)
    _, a, b, c = (*features.shape, 0, 0)[:4]
    if features.ndim == 4:
        return c if a == b != c else a
    return features.shape[-1]


def as_map(output: Any, channels: Optional[int] = None) -> Tensor:
    """Return a tap's output as a feature map (N, C, H, W).

    Tokens in front of a grid of patches, such as the class token, are left
    out. By the number of channels a map (N, H, W, C) is told from
    (N, C, H, W); None for those of square images.
    """
    features = tensor_of(output)
    if features.ndim == 4:
        known = channels or channels_of(features)
        is_last = features.shape[3] == known != features.shape[1]
        return features.permute(0, 3, 1, 2) if is_last else features
    if features.ndim == 2:
        raise ValueError(
            'Expected features with a height and width, or tokens of a grid, '
            f'but got {tuple(features.shape)}. Name a layer before the '
            'pooling.'
        )
    height, width, extra = _grid(output, features.shape[1])
    tokens = features[:, extra:].transpose(1, 2)
    return tokens.unflatten(2, (height, width))


def as_vector(output: Any, channels: Optional[int] = None) -> Tensor:
    """Return a tap's output as one vector a sample, (N, C).

    That is the class token where there is one, else the mean over the map or
    the tokens; a vector as it is. `channels` are as in :func:`as_map`.
    """
    features = tensor_of(output)
    if features.ndim == 2:
        return features
    if features.ndim == 3 and _grid(output, features.shape[1])[2]:
        return features[:, 0]
    return as_map(output, channels).mean(dim=(2, 3))


def patches(feature_map: Tensor) -> Tensor:
    """Return a map (N, C, H, W) as tokens (N, H * W, C)."""
    return feature_map.flatten(2).transpose(1, 2)


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Return (N,) sums of squared differences, in float32 or better."""
    wide = torch.promote_types(a.dtype, torch.float32)
    return (a.to(wide) - b.to(wide)).square().flatten(1).sum(dim=1)


def generator(channels: int) -> nn.Sequential:
    """Return the two convolutions that generate masked features."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
    )


def check_same_grid(student: Tensor, teacher: Tensor) -> None:
    """Expect maps (N, C, H, W) of one height and width."""
    if student.shape[2:] != teacher.shape[2:]:
        found = ' and '.join(
            '{}x{}'.format(*x.shape[2:]) for x in (student, teacher)
        )
        raise ValueError(
            'Expected features of student and teacher with one height and '
            f'width, but got {found}. Name taps '
            "of one stride; or give the teacher the student's image size by "
            '`teacher.input_size`.'
        )


def check_declared(
    name: str, declared: Optional[int], features: Tensor
) -> None:
    """Expect (N, C, ...) of as many channels as were declared."""
    if features.shape[1] != declared:
        raise ValueError(
            f'Expected `{name}` to be {features.shape[1]}, as in the output '
            f'of the tap, but got {declared}. Correct it, or leave it out to '
            'have it measured.'
        )


def _grid(output: Any, length: int) -> tuple[int, int, int]:
    """Return height, width and the number of tokens before the patches."""
    # mmpretrain's Swin puts out its tokens with (height, width).
    if isinstance(output, (tuple, list)) and len(output) == 2:
        grid = output[1]
        if isinstance(grid, (tuple, list)) and len(grid) == 2:
            height, width = map(int, grid)
            if height * width == length:
                return height, width, 0
    for extra in range(3):  # none, a class token, a distillation token too
        side = math.isqrt(max(length - extra, 0))
        if side and side * side == length - extra:
            return side, side, extra
    raise ValueError(
        'Expected tokens of a square grid of patches, with at most two others '
        f'in front, but got {length} tokens. Name a module that puts out a '
        'feature map (N, C, H, W).'
    )
