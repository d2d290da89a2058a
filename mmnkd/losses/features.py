"""What taps put out, as feature maps, patch tokens or vectors.

Networks differ: a convolution puts out a map, timm's Swin one with the
channels last, a transformer's block tokens with or without a class token in
front, a stage of mmpretrain's Swin tokens with the height and width of their
grid, a backbone a tuple of stages. Where the shape alone doesn't tell, the
height and width of the images do (None: square).
"""

from __future__ import annotations

import functools
import math
from typing import Any, Optional

import torch
from torch import Tensor

__all__ = [
    'ImageSize',
    'as_map',
    'as_vector',
    'channels_of',
    'check_declared',
    'check_same_grid',
    'patches',
    'squared_error',
    'tensor_of',
]

ImageSize = Optional[tuple[int, int]]


def tensor_of(output: Any) -> Tensor:
    """Return the features in a tap's output.

    Args:
        output: A tensor, an output of transformers with
            ``last_hidden_state``, or a tuple or list whose last tensor is
            taken: of a backbone's stages, the deepest.

    Returns:
        Of 2 dimensions (N, C), 3 (N, L, C) or 4.

    Raises:
        TypeError: There is no tensor.
        ValueError: The tensor has another number of dimensions.
    """
    output = getattr(output, 'last_hidden_state', output)
    if isinstance(output, (tuple, list)):
        output = next((x for x in output[::-1] if _is_tensor(x)), output)
    if not _is_tensor(output):
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


def channels_of(output: Any, image_size: ImageSize = None) -> int:
    """Return the number of channels of a tap's output."""
    features = tensor_of(output)
    if features.ndim == 4:
        features = _channels_first(features, image_size)
    return features.shape[2 if features.ndim == 3 else 1]


def as_map(output: Any, image_size: ImageSize = None) -> Tensor:
    """Return a tap's output as a feature map.

    Args:
        output: See :func:`tensor_of`. Tokens in front of a grid of patches,
            such as the class token, are left out.
        image_size: (height, width) of the images, of which the grid of
            patches has the shape; it isn't needed where (height, width) of
            the grid comes beside the tensor.

    Returns:
        (N, C, H, W).

    Raises:
        TypeError, ValueError: As :func:`tensor_of`, or there is no grid.
    """
    features = tensor_of(output)
    if features.ndim == 4:
        return _channels_first(features, image_size)
    if features.ndim == 2:
        raise ValueError(
            'Expected features with a height and width, or tokens of a grid, '
            f'but got {tuple(features.shape)}. Name a layer before the '
            'pooling.'
        )
    height, width, extra = _grid(output, features, image_size)
    tokens = features[:, extra:].transpose(1, 2)
    return tokens.unflatten(2, (height, width))


def as_vector(output: Any, image_size: ImageSize = None) -> Tensor:
    """Return a tap's output as one vector a sample.

    Args:
        output: See :func:`tensor_of`.
        image_size: See :func:`as_map`.

    Returns:
        (N, C): the class token where there is one, else the mean over the
        map or the tokens; a vector as it is.

    Raises:
        TypeError, ValueError: As :func:`as_map`.
    """
    features = tensor_of(output)
    if features.ndim == 2:
        return features
    if features.ndim == 3 and _grid(output, features, image_size)[2]:
        return features[:, 0]
    return as_map(output, image_size).mean(dim=(2, 3))


def patches(feature_map: Tensor) -> Tensor:
    """Return a map (N, C, H, W) as tokens (N, H * W, C)."""
    return feature_map.flatten(2).transpose(1, 2)


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Return (N,) sums of squared differences, in float32 or better."""
    wide = torch.promote_types(a.dtype, torch.float32)
    return (a.to(wide) - b.to(wide)).square().flatten(1).sum(dim=1)


def check_same_grid(student: Tensor, teacher: Tensor) -> None:
    """Expect maps (N, C, H, W) of one height and width.

    Raises:
        ValueError: What came, and what to change.
    """
    if student.shape[2:] != teacher.shape[2:]:
        raise ValueError(
            'Expected features of student and teacher with one height and '
            f'width, but got {_size(student)} and {_size(teacher)}. Name taps '
            "of one stride; or give the teacher the student's image size by "
            '`teacher.input_size`.'
        )


def check_declared(
    name: str, declared: Optional[int], features: Tensor
) -> None:
    """Expect (N, C, ...) of as many channels as were declared.

    Raises:
        ValueError: What came, and what to change.
    """
    if features.shape[1] != declared:
        raise ValueError(
            f'Expected `{name}` to be {features.shape[1]}, as in the output '
            f'of the tap, but got {declared}. Correct it, or leave it out to '
            'have it measured.'
        )


def _is_tensor(output: Any) -> bool:
    return isinstance(output, Tensor)


def _channels_first(features: Tensor, image_size: ImageSize) -> Tensor:
    """Return (N, C, H, W), also of (N, H, W, C)."""
    _, a, b, c = features.shape
    if _is_grid_of(image_size, a, b) and not _is_grid_of(image_size, b, c):
        return features.permute(0, 3, 1, 2)
    return features


@functools.lru_cache
def _is_grid_of(image_size: ImageSize, height: int, width: int) -> bool:
    """Tell whether patches of one size make such a grid of the images.

    Where the patches don't divide an image, its rest makes more or none.
    """
    if image_size is None:
        return height == width
    rows, columns = image_size
    return any(
        (height, width)
        in (
            (rows // patch, columns // patch),
            (-(-rows // patch), -(-columns // patch)),
        )
        for patch in range(1, max(image_size) + 1)
    )


def _grid(
    output: Any, tokens: Tensor, image_size: ImageSize
) -> tuple[int, int, int]:
    """Return height, width and the number of tokens before the patches."""
    length = tokens.shape[1]
    given = _given_grid(output)
    if given is not None and math.prod(given) == length:
        return (*given, 0)
    found = _grids(length, image_size)
    if len(found) == 1:
        return found[0]
    shape = 'square' if image_size is None else image_size
    raise ValueError(
        f'Expected tokens of a grid of patches for {shape} images, with at '
        f'most two others in front, but got {length} tokens, for which there '
        f'are {len(found)} such grids. Name a module that puts out a feature '
        'map (N, C, H, W).'
    )


@functools.lru_cache
def _grids(length: int, image_size: ImageSize) -> list[tuple[int, int, int]]:
    """Return what :func:`_grid` may return, those of exact shape first."""
    found = [
        (height, (length - extra) // height, extra)
        for extra in range(3)  # none, a class token, a distillation token too
        for height in range(1, length - extra + 1)
        if (length - extra) % height == 0
        and _is_grid_of(image_size, height, (length - extra) // height)
    ]
    rows, columns = image_size or (1, 1)
    exact = [
        (height, width, extra)
        for height, width, extra in found
        if height * columns == width * rows
    ]
    return exact or found


def _given_grid(output: Any) -> ImageSize:
    """Return (height, width) where it comes beside the tensor, as in Swin."""
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        return None
    shape = output[1]
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        return None
    return int(shape[0]), int(shape[1])


def _size(features: Tensor) -> str:
    return 'x'.join(str(n) for n in features.shape[2:])
