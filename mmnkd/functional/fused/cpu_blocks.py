"""A block of rows on a CPU, in the passes that cost least.

torch's softmax takes less time than its exp alone, and a product and a sum
less than its bmm (tools/benchmark.py losses shows what it comes to).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tensors import drop
from .spec import Spec

__all__ = ['Block', 'Columns', 'Sums', 'fast_block', 'robust_block', 'values']

Columns = tuple[Tensor, Tensor, Tensor]  # target term, other term, odds


class Block(NamedTuple):
    """Hold n rows, and where to work.

    Attributes:
        s: (n, C) logits of the student.
        t: (n, C) logits of the teacher.
        labels: (n, 1) target classes, or None.
        g: (n, C) where to leave the gradient.
        scratch: (k, m, C), for m <= n rows at a time; k is 1 or, at a
            temperature, 2. A new one for each block would cost a pass more.
    """

    s: Tensor
    t: Tensor
    labels: Optional[Tensor]
    g: Tensor
    scratch: Tensor


class Sums(NamedTuple):
    """Hold what the terms are computed from, all (n, 1).

    Attributes:
        t_t: T_t at the temperature of the target term.
        t_others: Sum of the teacher's softmax over the other classes.
        t_top: The largest of it, where the loss has an entropy.
        s_target: The student's logit of the target less the largest.
        s_others: Sum of the student's softmax over the other classes.
        s_top: The largest of it.
        s_rest: 1 - S_t at the temperature of the target term.
        target_top: The largest of the student's softmax there.
        dot: What the other term has of products, times scale and weight.
    """

    t_t: Tensor
    t_others: Tensor
    t_top: Tensor
    s_target: Tensor
    s_others: Tensor
    s_top: Tensor
    s_rest: Tensor
    target_top: Tensor
    dot: Tensor


def fast_block(block: Block, spec: Spec, scale: float) -> Sums:
    """Compute a block by the softmax over all classes.

    That over the others is a part of it, divided by its sum: which underflows
    where a target is far above all others.
    """
    s, t, labels, g, scratch = block
    t_t, t_others, t_top = _teacher(block, spec)
    # d(others)/ds = weight * (S - T), both over the others
    weight = scale * spec.others_weight / spec.temperature
    g.mul_(t_others.reciprocal().mul_(-weight))
    shift = s_max = s.amax(dim=1, keepdim=True)
    if spec.entropy:
        shift = s_max - t.amax(dim=1, keepdim=True)
    compared = t if spec.entropy else None
    shares = _shares(spec, scale, t_t, t_others)

    columns = (s, g, compared, shift, labels, *shares)
    parts = [
        _student(_Rows(*rows), scratch, spec)
        for rows in _split(columns, scratch.shape[1])
    ]
    s_others, s_top, dot, *rest = map(torch.cat, zip(*parts))
    s_rest, target_top = rest or (s_others, s_top)
    s_target = s_max
    if labels is not None:
        # What the target's logit gets, those of the others have lost.
        g.scatter_(1, labels, _moved(spec, scale, s_rest, t_t, t_others))
        s_target = s.gather(1, labels).sub_(s_max)
    return Sums(
        t_t,
        t_others,
        t_top,
        s_target,
        s_others,
        s_top,
        s_rest,
        target_top,
        dot,
    )


def _split(
    columns: tuple[Optional[Tensor], ...], size: int
) -> Iterator[tuple[Any, ...]]:
    """Yield parts of `size` rows."""
    return zip(
        *(
            repeat(None) if column is None else column.split(size)
            for column in columns
        )
    )


def _teacher(block: Block, spec: Spec) -> tuple[Tensor, Tensor, Tensor]:
    """Leave the softmax over the others in `g`, but for a factor.

    Returns:
        T_t, the factor and the largest, all (n, 1).
    """
    _, t, labels, g, scratch = block
    at_1 = None
    if spec.temperature == 1 or spec.target == 'soft_label':
        torch.softmax(t, dim=1, out=g)
        at_1 = None if labels is None else g.gather(1, labels)
    if spec.temperature != 1:
        size = scratch.shape[1]
        for some, out in zip(t.split(size), g.split(size)):
            scaled = scratch[-1, : len(some)]
            torch.div(some, spec.temperature, out=scaled)
            torch.softmax(scaled, dim=1, out=out)
    top = g[:, :1]
    if spec.entropy:
        top = g.amax(dim=1, keepdim=True)
    if labels is None:
        return top, torch.ones_like(top), top
    t_t = g.gather(1, labels) if at_1 is None else at_1
    return t_t, _others(g, labels), top


def _shares(
    spec: Spec, scale: float, t_t: Tensor, t_others: Tensor
) -> tuple[Tensor, Tensor, Optional[Tensor]]:
    """Return what the student's softmax gets in the gradient, all (n, 1).

    Namely :math:`a / s + b`, with s its sum over the others; and, of a target
    term at another temperature, c times the softmax there, else None.
    """
    a = torch.full_like(t_others, scale * spec.others_weight).div_(
        spec.temperature
    )
    if spec.target is None:
        return a, torch.zeros_like(a), None
    if spec.target == 'binary':
        weight = scale * spec.target_weight / spec.temperature
        return a.sub_(t_others, alpha=weight), torch.full_like(a, weight), None
    pull = t_t * (scale * spec.target_weight)
    if spec.temperature == 1:
        return a, pull, None
    return a, torch.zeros_like(a), pull


def _moved(
    spec: Spec, scale: float, s_rest: Tensor, t_t: Tensor, t_others: Tensor
) -> Tensor:
    """Return the gradient of the target's logit, (n, 1)."""
    if spec.target == 'soft_label':
        return (t_t * s_rest).mul_(-scale * spec.target_weight)
    weight = scale * spec.target_weight / spec.temperature
    return (t_others - s_rest).mul_(weight)


class _Rows(NamedTuple):
    """Hold m rows of a block."""

    s: Tensor  # (m, C)
    g: Tensor
    t: Optional[Tensor]  # where it is compared
    shift: Tensor  # (m, 1), as what follows
    labels: Optional[Tensor]
    a: Tensor
    b: Tensor
    c: Optional[Tensor]


def _student(rows: _Rows, scratch: Tensor, spec: Spec) -> tuple[Tensor, ...]:
    """Add the student's part to the gradient.

    Returns:
        s_others, s_top and dot of :class:`Sums`; and s_rest and target_top
        where they are others.
    """
    s, g, t, shift, labels, a, b, c = rows
    e, scaled = scratch[0, : len(s)], scratch[-1, : len(s)]
    compared = s if t is None else torch.sub(s, t, out=e)
    dot = torch.sub(compared, shift, out=e).mul_(g).sum(dim=1, keepdim=True)
    x = s
    if spec.temperature != 1:
        x = torch.div(s, spec.temperature, out=scaled)
    torch.softmax(x, dim=1, out=e)
    top = e.amax(dim=1, keepdim=True)
    if labels is None:
        g.addcmul_(e, a)
        return torch.ones_like(top), top, dot
    others = _others(e, labels)
    g.addcmul_(e, torch.addcdiv(b, a, others))
    if c is None:
        return others, top, dot
    torch.softmax(s, dim=1, out=e)
    target_top = e.amax(dim=1, keepdim=True)
    s_rest = _others(e, labels)
    g.addcmul_(e, c)
    return others, top, dot, s_rest, target_top


def _others(softmax: Tensor, labels: Tensor) -> Tensor:
    """Leave 0 at the target; return the sum over the others, (n, 1)."""
    return softmax.scatter_(1, labels, 0.0).sum(dim=1, keepdim=True)


def values(sums: Sums, spec: Spec, scale: float) -> Columns:
    """Return target term, other term and the teacher's odds, all (N, 1)."""
    # 1 / top is the sum of exp(x - max).
    others_term = (sums.s_others / sums.s_top).log()
    if spec.entropy:
        others_term -= (sums.t_others / sums.t_top).log()
    others_term *= spec.others_weight
    others_term += sums.dot / scale
    if spec.target is None:
        zeros = torch.zeros_like(others_term)
        return zeros, others_term, zeros
    temperature = 1.0 if spec.target == 'soft_label' else spec.temperature
    log_s_t = sums.s_target / temperature + sums.target_top.log()
    t_t, t_rest = sums.t_t, sums.t_others
    target_term = -t_t * log_s_t
    if spec.target == 'binary':
        target_term += torch.xlogy(t_t, t_t) + torch.xlogy(t_rest, t_rest)
        target_term -= torch.xlogy(t_rest, sums.s_rest)
        odds = t_t.log() - t_rest.log()
    else:
        odds = t_t.logit()
    return spec.target_weight * target_term, others_term, odds


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
    torch.sub(log_s.exp(), t_hat, out=g).mul_(weight)

    weight = scale * spec.target_weight
    if spec.target == 'soft_label':
        log_s, s_odds = _log_others(s, index)
        _, t_odds = _log_others(t, index)
        target_term = -t_odds.sigmoid() * F.logsigmoid(s_odds)
        moved = -weight * t_odds.sigmoid() * (-s_odds).sigmoid()
    else:
        both = torch.cat([t_odds, -t_odds], dim=1)
        log_binary = F.logsigmoid(torch.cat([s_odds, -s_odds], dim=1))
        target_term = both.sigmoid() * (F.logsigmoid(both) - log_binary)
        target_term = target_term.sum(dim=1, keepdim=True)
        weight /= spec.temperature
        moved = weight * (s_odds.sigmoid() - t_odds.sigmoid())
    g.sub_(moved * log_s.exp()).scatter_(1, index, moved)
    others_term *= spec.others_weight
    return spec.target_weight * target_term, others_term, t_odds


def _log_others(x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Return the others' log-softmax, (n, C), and the target's log-odds."""
    others = drop(x, index)
    odds = x.gather(1, index) - others.logsumexp(dim=1, keepdim=True)
    return F.log_softmax(others, dim=1), odds
