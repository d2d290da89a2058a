"""A block of rows on a CPU, in the passes that cost least.

torch's softmax takes less time than its exp alone, and a product and a sum
less than its bmm (tools/benchmark.py losses shows what it comes to).
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tensors import drop
from .spec import Spec

__all__ = [
    'Block',
    'Columns',
    'Sums',
    'exact_rows',
    'fast_block',
    'robust_block',
    'values',
]

Columns = tuple[Tensor, Tensor, Tensor]  # target term, other term, odds


class Block(NamedTuple):
    """Hold n rows, and where to work; all contiguous but `s` and `t`.

    Attributes:
        s: (n, C) logits of the student.
        t: (n, C) logits of the teacher.
        labels: (n, 1) target classes, or None.
        g: (n, C) where to leave the gradient.
        scratch: (n, C). A new one for each block would cost a pass more.
    """

    s: Tensor
    t: Tensor
    labels: Optional[Tensor]
    g: Tensor
    scratch: Tensor


class Sums(NamedTuple):
    """Hold what the terms are computed from, all (n, 1).

    The logarithm of a sum of exponentials is one of the logits, the reference,
    less the logarithm of its softmax.

    Attributes:
        t_t: T_t at the temperature of the target term.
        t_others: Sum of the teacher's softmax over the other classes.
        t_ref: That of the reference.
        s_t: S_t at the temperature of the target term.
        s_rest: 1 - S_t likewise.
        s_others: Sum of the student's softmax over the other classes.
        s_ref: That of the reference.
        dot: Sum over the other classes of the teacher's softmax times the
            student's logit (less the teacher's, where the loss has an
            entropy), less that of the reference.
    """

    t_t: Tensor
    t_others: Tensor
    t_ref: Tensor
    s_t: Tensor
    s_rest: Tensor
    s_others: Tensor
    s_ref: Tensor
    dot: Tensor


def fast_block(block: Block, spec: Spec, scale: float) -> Sums:
    """Compute a block by the softmax over all classes.

    That over the others is a part of it, divided by its sum: which underflows
    where a target is far above all others.
    """
    s, t, labels, g, e = block
    temperature = spec.temperature
    t_t, t_others, t_ref = _teacher(block, spec)

    compared, shift = s, _reference(s, labels, spec)
    if spec.entropy:
        compared = torch.sub(s, t, out=e)
        shift = shift - _reference(t, labels, spec)
    dot = torch.sub(compared, shift, out=e).mul_(g).sum(dim=1, keepdim=True)

    # d(others)/ds = weight * (S - T), both over the others
    weight = scale * spec.others_weight / temperature
    g.mul_(-weight / t_others)
    _softmax(s, temperature, out=e)
    s_ref = _reference(e, labels, spec)
    if labels is None:
        g.add_(e, alpha=weight)
        ones = torch.ones_like(s_ref)
        return Sums(ones, ones, t_ref, ones, ones, ones, s_ref, dot)
    # Without an entropy the reference is the target.
    s_t = e.gather(1, labels) if spec.entropy else s_ref
    s_rest = s_others = _others(e, labels)
    if spec.has_two_temperatures:
        g.addcmul_(e, weight / s_others)
        torch.softmax(s, dim=1, out=e)
        s_t, s_rest = e.gather(1, labels), _others(e, labels)
    # What the target's logit gets, those of the others lose.
    pull = scale * spec.target_weight
    if spec.target == 'binary':
        moved = (t_others - s_rest).mul_(pull / temperature)
    else:
        moved = (t_t * s_rest).mul_(-pull)
    if spec.has_two_temperatures:
        g.addcmul_(e, t_t, value=pull)
    else:
        g.addcmul_(e, (weight - moved).div_(s_others))
    g.scatter_(1, labels, moved)
    return Sums(t_t, t_others, t_ref, s_t, s_rest, s_others, s_ref, dot)


def _teacher(block: Block, spec: Spec) -> tuple[Tensor, Tensor, Tensor]:
    """Leave the softmax over the others in `g`, but for a factor.

    Returns:
        T_t, the factor and :attr:`Sums.t_ref`, all (n, 1).
    """
    _, t, labels, g, _ = block
    t_t = None
    if spec.has_two_temperatures:
        assert labels is not None
        t_t = torch.softmax(t, dim=1, out=g).gather(1, labels)
    _softmax(t, spec.temperature, out=g)
    t_ref = _reference(g, labels, spec)
    if labels is None:
        ones = torch.ones_like(t_ref)
        return ones, ones, t_ref
    if t_t is None:
        t_t = g.gather(1, labels) if spec.entropy else t_ref
    return t_t, _others(g, labels), t_ref


def _softmax(x: Tensor, temperature: float, out: Tensor) -> None:
    if temperature != 1:
        x = torch.div(x, temperature, out=out)
    torch.softmax(x, dim=1, out=out)


def _reference(x: Tensor, labels: Optional[Tensor], spec: Spec) -> Tensor:
    """Return each row's entry that the others are compared with, (n, 1).

    It is the target's, which costs least, or the largest, which is more exact
    where the target is far below: a divergence is a small difference.
    """
    if labels is None or spec.entropy:
        return x.amax(dim=1, keepdim=True)
    return x.gather(1, labels)


def _others(softmax: Tensor, labels: Tensor) -> Tensor:
    """Leave 0 at the target; return the sum over the others, (n, 1)."""
    return softmax.scatter_(1, labels, 0.0).sum(dim=1, keepdim=True)


def exact_rows(sums: Sums, spec: Spec) -> Optional[Tensor]:
    """Tell which rows have lost nothing to underflow.

    Returns:
        (N, 1), False where NaN too; None where nothing can be lost.
    """
    if spec.target is None:  # the largest share of 1 is never small
        return None
    limits = torch.finfo(sums.dot.dtype)
    # A logarithm wants no more than a normal number; what is a sum and a
    # divisor wants the small ones in it to be normal too.
    least = torch.minimum(sums.s_others, sums.t_others) * limits.eps**2
    least = torch.minimum(least, torch.minimum(sums.s_t, sums.s_ref))
    return least > limits.tiny


def values(sums: Sums, spec: Spec) -> Columns:
    """Return target term, other term and the teacher's odds, all (N, 1)."""
    others_term = (sums.s_others / sums.s_ref).log()
    if spec.entropy:
        others_term -= (sums.t_others / sums.t_ref).log()
    others_term *= spec.others_weight
    factor = -spec.others_weight / spec.temperature
    others_term.addcdiv_(sums.dot, sums.t_others, value=factor)
    if spec.target is None:
        zeros = torch.zeros_like(others_term)
        return zeros, others_term, zeros
    t_t, t_rest = sums.t_t, sums.t_others
    target_term = (t_t * sums.s_t.log()).mul_(-spec.target_weight)
    if spec.target == 'soft_label':
        return target_term, others_term, t_t.logit()
    rest = torch.xlogy(t_t, t_t) + torch.xlogy(t_rest, t_rest)
    rest -= torch.xlogy(t_rest, sums.s_rest)
    target_term.add_(rest, alpha=spec.target_weight)
    return target_term, others_term, t_t.log() - t_rest.log()


def robust_block(block: Block, spec: Spec, scale: float) -> Columns:
    """Compute a block by the softmax over the other classes.

    It takes more passes than :func:`fast_block`, and nothing underflows.
    """
    s, t, index, g, _ = block
    assert index is not None  # without a target there is nothing to divide by
    log_s, s_odds = _log_others(s / spec.temperature, index)
    log_t, t_odds = _log_others(t / spec.temperature, index)
    t_hat = log_t.exp()
    difference = log_t - log_s if spec.entropy else -log_s
    others_term = (t_hat * difference).sum(dim=1, keepdim=True)
    weight = scale * spec.others_weight / spec.temperature
    s_hat = log_s.exp()
    torch.sub(s_hat, t_hat, out=g).mul_(weight)

    weight = scale * spec.target_weight
    if spec.has_two_temperatures:
        log_s, s_odds = _log_others(s, index)
        s_hat = log_s.exp()
        _, t_odds = _log_others(t, index)
    if spec.target == 'soft_label':
        target_term = -t_odds.sigmoid() * F.logsigmoid(s_odds)
        moved = -weight * t_odds.sigmoid() * (-s_odds).sigmoid()
    else:
        both = torch.cat([t_odds, -t_odds], dim=1)
        log_binary = F.logsigmoid(torch.cat([s_odds, -s_odds], dim=1))
        target_term = both.sigmoid() * (F.logsigmoid(both) - log_binary)
        target_term = target_term.sum(dim=1, keepdim=True)
        weight /= spec.temperature
        moved = weight * (s_odds.sigmoid() - t_odds.sigmoid())
    g.sub_(moved * s_hat).scatter_(1, index, moved)
    others_term *= spec.others_weight
    return spec.target_weight * target_term, others_term, t_odds


def _log_others(x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Return the others' log-softmax, (n, C), and the target's log-odds."""
    others = drop(x, index)
    odds = x.gather(1, index) - others.logsumexp(dim=1, keepdim=True)
    return F.log_softmax(others, dim=1), odds
