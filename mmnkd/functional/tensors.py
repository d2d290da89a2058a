"""What the losses have in common: precision, labels, masks, reduction."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_reduction


def student_and_teacher(
    logits_student: Tensor, logits_teacher: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a pair of logits in float32 or better.

    No gradient flows to the teacher's.
    """
    return (
        at_least_float32(logits_student),
        at_least_float32(logits_teacher.detach()),
    )


def finite(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Give classes at -inf a number that has no share at `temperature`.

    Its logarithm times that share is 0, where that of -inf is not a number.
    """
    low = lowest(logits, temperature)
    return F.threshold(logits, low, low)  # clamp has a slower backward


def lowest(logits: Tensor, temperature: float = 1.0) -> float:
    """Return the lowest number that is finite over `temperature` too."""
    return min(temperature, 1) * torch.finfo(logits.dtype).min


def at_least_float32(logits: Tensor) -> Tensor:
    """Return float64 as it is, and every other dtype as float32."""
    return logits if logits.dtype == torch.float64 else logits.float()


def target_of(samples: Sequence[Any]) -> Optional[Tensor]:
    """Return (N,) labels or (N, C) scores, as mmpretrain's heads read them.

    None where a sample has neither (several tasks): losses on features need
    no target, and those on logits say what they expected.
    """
    for name, join in (('gt_score', torch.stack), ('gt_label', torch.cat)):
        if name in samples[0]:
            return join(list(map(attrgetter(name), samples)))
    return None


def target_index(target: Tensor) -> Tensor:
    """Return the (N, 1) index of each sample's target class."""
    if target.ndim == 2:
        return target.argmax(dim=1, keepdim=True)
    return target.long().unsqueeze(1)


def labels_of(target: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return value and index of each sample's labels, both (N, K).

    K is 1 for class indices, whose value is 1, and 2 for scores: the two
    largest. A value of 0 is no label.
    """
    if target.ndim == 2:
        value, index = target.to(dtype).topk(2, dim=1)
        return value, index
    index = target_index(target)
    return torch.ones_like(index, dtype=dtype), index


def drop(logits: Tensor, index: Tensor) -> Tensor:
    """Give the classes at `index` (N, K) no share in a softmax.

    The number put there is finite, so that 0 times its logarithm is 0, not
    NaN, and a softmax of dropped classes only has a gradient.
    """
    return logits.scatter(1, index, torch.finfo(logits.dtype).min)


def log_binary(logits: Tensor, index: Tensor) -> Tensor:
    """Return (N, 2): log-probability of the target and of all the others."""
    others = drop(logits, index).logsumexp(dim=1, keepdim=True)
    pair = torch.cat([logits.gather(1, index), others], dim=1)
    return F.log_softmax(pair, dim=1)


def compare_others(
    logits: Tensor, index: Tensor, temperature: float, out: Tensor
) -> Tensor:
    """Write (n, C) logits less the largest but the target's, without a share.

    The result stays finite over `temperature` too. Return the target's logit
    less the same number, (n, 1).
    """
    low = lowest(out, temperature)
    torch.clamp(logits.to(out.dtype), min=low, out=out)
    own = out.gather(1, index)
    largest = out.scatter_(1, index, low).amax(dim=1, keepdim=True)
    out.sub_(largest)
    return own - largest


def exp_of_others(
    logits: Tensor, index: Tensor, temperature: float, x: Tensor, out: Tensor
) -> tuple[Tensor, Tensor]:
    """Write (n, C) exponentials over `temperature`, and 0 for the target's.

    In each row they are times some number; `x` (n, C) is scratch memory.
    Return the target's, times the same, and the sum of the others, (n, 1).
    """
    logits = logits.to(out.dtype)
    # Without the pass for the maximum, where the range allows it. One class
    # alone has a share of exactly 1 by its difference to the maximum only.
    if logits.is_cpu and logits.shape[1] > 2:
        if temperature != 1:
            torch.div(logits, temperature, out=x)
        torch.exp(logits if temperature == 1 else x, out=out)
        own = out.gather(1, index)
        total = out.scatter_(1, index, 0.0).sum(dim=1, keepdim=True)
        if total.amin() > 1e-20 and (own + total).amax() < 1e30:
            return own, total
    own = compare_others(logits, index, temperature, out=x) / temperature
    torch.exp(x.div_(temperature), out=out)
    return torch.exp(own.clamp(max=80)), out.sum(dim=1, keepdim=True)


def kl_divergence(log_s: Tensor, log_t: Tensor) -> Tensor:
    """Return (N,) divergences of the student's log-probabilities."""
    divergence = F.kl_div(log_s, log_t, reduction='none', log_target=True)
    return divergence.sum(dim=1)


def reduce_loss(per_sample: Tensor, reduction: str) -> Tensor:
    """Reduce (N,) losses by 'mean' or 'sum', or leave them by 'none'."""
    if reduction == 'mean':
        return per_sample.mean()
    if reduction == 'sum':
        return per_sample.sum()
    check_reduction(reduction)
    return per_sample
