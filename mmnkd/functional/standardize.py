"""Logit standardization."""

from __future__ import annotations

import torch
from torch import Tensor

from .checks import check_logits
from .tensors import at_least_float32


def standardize(logits: Tensor) -> Tensor:
    r"""Standardize the logits of each sample.

    .. math::
        (z - \mathrm{mean}(z)) / \mathrm{std}(z)

    Applied to both student and teacher before any loss that compares their
    logits, it lets the student keep a scale of logits of its own. The
    temperature of that loss then counts in standard deviations. Where the
    logits hardly differ, as in a new student, the gradient is large.

    Args:
        logits: (N, C) logits, any floating dtype.

    Returns:
        (N, C) of mean 0 and standard deviation 1 in each row, that of the
        C - 1 degrees of freedom as in the authors' code; float32, or float64
        where the input is. A row that is equal but for rounding gives zeros,
        and gets no gradient.

    Raises:
        TypeError, ValueError: The logits aren't (N, C) of a floating dtype.

    Reference:
        Sun et al., "Logit Standardization in Knowledge Distillation",
        CVPR 2024, arXiv 2403.01427.

    Example:
        >>> standardize(torch.tensor([[10.0, 20.0, 30.0], [7.0, 7.0, 7.0]]))
        tensor([[-1.,  0.,  1.],
                [ 0.,  0.,  0.]])
    """
    check_logits('logits', logits)
    logits = at_least_float32(logits)
    largest = logits.detach().abs().amax(dim=1, keepdim=True)
    logits = logits - logits[:, :1].detach()  # equal logits: exact zeros
    centred = logits - logits.mean(dim=1, keepdim=True)
    variance = centred.square().sum(dim=1, keepdim=True)
    variance = variance / (logits.shape[1] - 1)
    rounding = torch.finfo(logits.dtype).eps * largest
    varies = ~(variance <= rounding.square())  # NaN stays NaN
    scale = torch.where(varies, variance, torch.ones_like(variance)).rsqrt()
    return torch.where(varies, centred * scale, torch.zeros_like(centred))
