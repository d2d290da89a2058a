"""What a teacher has to teach, by its answers on images with labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..functional.tensors import drop, target_index

__all__ = ['Signal', 'measure_signal']


@dataclass(frozen=True)
class Signal:
    """What a teacher's probabilities are like.

    Attributes:
        images: How many images it was asked about.
        top1: Its accuracy in percent.
        target_share: Mean probability of the right class, from 0 to 1.
        target_entropy: Mean entropy of right class or not, as a share of its
            maximum (log 2): 0 is sure, 1 is undecided.
        other_entropy: Mean entropy of the probabilities among the other
            classes, as a share of its maximum (log (C - 1)): 0 names one
            class, 1 tells them not apart.
    """

    images: int
    top1: float
    target_share: float
    target_entropy: float
    other_entropy: float


def measure_signal(logits: Tensor, target: Tensor) -> Signal:
    r"""Measure a teacher's certainty on target and non-target classes.

    Args:
        logits: (N, C) logits of the teacher.
        target: (N,) class indices, or (N, C) scores, whose largest counts.

    Returns:
        Means over the batch. With :math:`T` the softmax, :math:`t` the target
        and :math:`\hat T` the softmax of the other classes, as in NKD:
        ``target_entropy`` is the entropy of :math:`(T_t, 1 - T_t)`, and
        ``other_entropy`` that of :math:`\hat T`.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[4.0, 1.0, 1.0]])
        >>> signal = measure_signal(logits, torch.tensor([0]))
        >>> print(f'{signal.target_share:.2f} {signal.other_entropy:.2f}')
        0.91 1.00
    """
    logits = logits.detach().double().cpu()
    index = target_index(target.cpu())
    share = logits.softmax(dim=1)
    of_target = share.gather(1, index)
    pair = torch.cat([of_target, 1 - of_target], dim=1)
    others = drop(logits, index).softmax(dim=1)
    most = math.log(max(logits.shape[1] - 1, 2))
    right = logits.argmax(dim=1, keepdim=True) == index
    return Signal(
        images=len(logits),
        top1=100 * right.double().mean().item(),
        target_share=of_target.mean().item(),
        target_entropy=_entropy(pair) / math.log(2),
        other_entropy=_entropy(others) / most,
    )


def _entropy(share: Tensor) -> float:
    return torch.special.entr(share).sum(dim=1).mean().item()
