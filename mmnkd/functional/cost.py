"""What it costs to move probability from one class to another."""

from __future__ import annotations

from typing import Union

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_not_negative, is_compiling
from .tensors import at_least_float32

# exp(-cost / regularization) has to stay a number in float32.
_LARGEST_EXPONENT = 80.0


def classifier_cost(weight: Tensor, *, sharpen: float = 0.0) -> Tensor:
    r"""Compute a cost of moving probability from a classifier's weights.

    .. math::
        d_{ij} = 1 - \cos(w_i, w_j), \qquad c_{ij} = 1 - \exp(-\kappa d_{ij})

    with :math:`w_i` the weights of class i, and :math:`c = d` for
    :math:`\kappa = 0`.

    Args:
        weight: (C, D) weights of a linear classifier, the teacher's; no
            gradient flows there.
        sharpen: :math:`\kappa \ge 0`.

    Returns:
        (C, C), at least 0 and at most 2; float32, or float64 where the weights
        are float64.

    Raises:
        TypeError: The weights are no tensor, or of no floating dtype.
        ValueError: They aren't (C, D), or `sharpen` is negative.

    Reference:
        Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
        for Knowledge Distillation", NeurIPS 2024, arXiv 2412.08139.

    Example:
        >>> import torch
        >>> classifier_cost(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
        tensor([[0., 1., 0.],
                [1., 0., 1.],
                [0., 1., 0.]])
    """
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        found = getattr(weight, 'dtype', type(weight).__name__)
        raise TypeError(
            f'Expected `weight` to be a floating tensor, but got {found}.'
        )
    if weight.ndim != 2:
        raise ValueError(
            'Expected `weight` of shape (C, D), that of a linear classifier, '
            f'but got {tuple(weight.shape)}.'
        )
    check_not_negative('sharpen', sharpen)
    rows = F.normalize(at_least_float32(weight.detach()), dim=1)
    distance = (1 - product(rows, rows.T)).clamp(min=0)
    return -torch.expm1(-sharpen * distance) if sharpen else distance


def check_cost(
    cost: Union[float, Tensor], regularization: float, classes: int
) -> None:
    """Expect a cost >= 0, a number or (C, C), with a kernel in float32."""
    highest: float = 0.0
    if isinstance(cost, Tensor):
        if not cost.is_floating_point():
            raise TypeError(
                'Expected `cost` to be a number or a floating tensor, but got '
                f'{cost.dtype}.'
            )
        if cost.shape != (classes, classes):
            raise ValueError(
                f'Expected `cost` of shape ({classes}, {classes}), as the '
                f'logits have {classes} classes, but got {tuple(cost.shape)}.'
            )
        if cost.is_cpu and not is_compiling():  # a GPU would have to wait
            lowest, highest = map(float, cost.aminmax())
            if not (lowest >= 0 and highest < float('inf')):
                raise ValueError(
                    'Expected `cost` to be finite and at least 0, but got '
                    f'values from {lowest} to {highest}.'
                )
    elif isinstance(cost, (int, float)):
        check_not_negative('cost', cost)
        highest = cost
    else:
        raise TypeError(
            'Expected `cost` to be a number or a (C, C) tensor, but got '
            f'{cost!r}.'
        )
    if highest > _LARGEST_EXPONENT * regularization:
        raise ValueError(
            f'Expected `cost` to be at most {_LARGEST_EXPONENT:.0f} times '
            f'`regularization`, beyond which exp(-cost / regularization) '
            f'underflows, but got {highest} at {regularization}.'
        )


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices in their own precision, inside autocast too."""
    if a.is_meta:  # has no autocast
        return a @ b
    with torch.autocast(a.device.type, enabled=False):
        return a @ b
