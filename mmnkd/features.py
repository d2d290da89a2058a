"""What taps put out, as feature maps, patch tokens or vectors.

Networks differ: a convolution puts out a map, a transformer's block tokens
with or without a class token in front, a stage of Swin tokens with the height
and width of their grid, a backbone a tuple of stages.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch import Tensor

__all__ = [
    'as_map',
    'as_vector',
    'channels_of',
    'check_declared',
    'check_same_grid',
    'patches',
    'squared_error',
    'tensor_of',
]


def tensor_of(output: Any) -> Tensor:
    """Return the features in a tap's output.

    Args:
        output: A tensor, an output of transformers with
            ``last_hidden_state``, or a tuple or list whose last tensor is
            taken: of a backbone's stages, the deepest.

    Returns:
        (N, C, H, W), (N, L, C) or (N, C).

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


def channels_of(output: Any) -> int:
    """Return the number of channels of a tap's output."""
    features = tensor_of(output)
    return features.shape[2 if features.ndim == 3 else 1]


def as_map(output: Any) -> Tensor:
    """Return a tap's output as a feature map.

    Args:
        output: See :func:`tensor_of`. Tokens in front of a square grid of
            patches, such as the class token, are left out; a grid that isn't
            square needs its (height, width) beside the tensor.

    Returns:
        (N, C, H, W).

    Raises:
        TypeError, ValueError: As :func:`tensor_of`, or there is no grid.
    """
    features = tensor_of(output)
    if features.ndim == 4:
        return features
    if features.ndim == 2:
        raise ValueError(
            'Expected features with a height and width, or tokens of a grid, '
            f'but got {tuple(features.shape)}. Name a layer before the '
            'pooling.'
        )
    height, width, extra = _grid(output, features)
    patches = features[:, extra:].transpose(1, 2)
    return patches.unflatten(2, (height, width))


def as_vector(output: Any) -> Tensor:
    """Return a tap's output as one vector a sample.

    Returns:
        (N, C): the class token where there is one, else the mean over the
        map or the tokens; a vector as it is.

    Raises:
        TypeError, ValueError: As :func:`as_map`.
    """
    features = tensor_of(output)
    if features.ndim == 2:
        return features
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    _, _, extra = _grid(output, features)
    return features[:, 0] if extra else features.mean(dim=1)


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


def _grid(output: Any, tokens: Tensor) -> tuple[int, int, int]:
    """Return height, width and the number of tokens before the patches."""
    length = tokens.shape[1]
    given = _given_grid(output)
    if given is not None and math.prod(given) == length:
        return (*given, 0)
    side = math.isqrt(length)
    extra = length - side**2
    # A class token, or with a distillation token two; three have no name.
    if side == 0 or extra > 2:
        raise ValueError(
            'Expected tokens of a square grid of patches with at most two '
            f'others in front, but got {length} tokens. Name a module that '
            'puts out a feature map (N, C, H, W).'
        )
    return side, side, extra


def _given_grid(output: Any) -> Optional[tuple[int, int]]:
    """Return (height, width) where it comes beside the tensor, as in Swin."""
    if not isinstance(output, (tuple, list)) or len(output) != 2:
        return None
    shape = output[1]
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        return None
    return int(shape[0]), int(shape[1])


def _size(features: Tensor) -> str:
    return 'x'.join(str(n) for n in features.shape[2:])
