r"""Parts of the Triton kernels: a row's logits, its sums, its target term.

Words of the kernels: a row's *others* are its classes but the target (all
classes where there is none). `top` is the largest logit among them, `total`
the sum of their :math:`e^{(s_i - top) / \lambda}`, and `rate`
:math:`1 / \lambda`. Suffixes `_s` and `_t` say whose, student's or
teacher's. *Odds* are :math:`\log(S_t / (1 - S_t))`, from which each number
of the target follows without cancellation.
"""

# Triton's arguments have no types.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl

__all__ = [
    'absorb',
    'grow',
    'logit',
    'others',
    'target_of',
    'weigh_target',
    'write_gradient',
]


@triton.jit
def target_of(index, row, kind: tl.constexpr):
    """Return the row's target, -1 where it has none."""
    if kind is None:
        target = tl.full((), -1, tl.int32)
    else:
        target = tl.load(index + row).to(tl.int32)
    return target


@triton.jit
def logit(row, at, classes, dtype: tl.constexpr):
    """Load one logit; NaN, not someone else's, where there is no such."""
    exists = (at >= 0) & (at < classes)
    return tl.load(row + at, mask=exists, other=float('nan')).to(dtype)


@triton.jit
def others(
    row, at, target, classes, dtype: tl.constexpr, policy: tl.constexpr
):
    """Load a block of others; -inf elsewhere."""
    none = float('-inf')
    logits = tl.load(
        row + at, mask=at < classes, other=none, eviction_policy=policy
    )
    return tl.where(at == target, none, logits.to(dtype))


@triton.jit
def grow(logits, total, top, new, rate):
    """Add a block to a total; the largest logit was `top`, and is `new`."""
    return total * tl.exp(_minus(top, new) * rate) + tl.sum(
        tl.exp((logits - _finite(new)) * rate), 0
    )


@triton.jit
def _minus(a, b):
    """Subtract; -inf less -inf is 0."""
    return tl.where(a == b, 0.0, a - b)


@triton.jit
def _finite(top):
    """Return what may be subtracted from logits that are all -inf."""
    return tl.where(top == float('-inf'), 0.0, top)


@triton.jit
def absorb(
    s, t, top_s, total_s, cold_s, top_t, total_t, cold_t, dot, rate,
    entropy: tl.constexpr, split: tl.constexpr,
):  # fmt: skip
    r"""Add a block to a row's sums, and move them to the new largest logits.

    `dot` is :math:`\sum p_i (top_s - s_i)` with :math:`p_i` the teacher's
    parts, with :math:`t_i - top_t` added to the bracket for the entropy.
    """
    new_s = tl.maximum(top_s, tl.max(s, 0))
    new_t = tl.maximum(top_t, tl.max(t, 0))
    moved = _minus(new_s, top_s)
    gap = _minus(new_s, s)
    if entropy:
        moved -= _minus(new_t, top_t)
        gap += _minus(t, new_t)
    # Of a logit of -inf nothing counts: no 0 * inf.
    gap = tl.where(t == float('-inf'), 0.0, gap)
    moved = tl.where(total_t == 0, 0.0, total_t * moved)
    dot = (dot + moved) * tl.exp(_minus(top_t, new_t) * rate)
    dot += tl.sum(tl.exp((t - _finite(new_t)) * rate) * gap, 0)
    total_s = grow(s, total_s, top_s, new_s, rate)
    total_t = grow(t, total_t, top_t, new_t, rate)
    if split:
        cold_s = grow(s, cold_s, top_s, new_s, 1.0)
        cold_t = grow(t, cold_t, top_t, new_t, 1.0)
    return new_s, total_s, cold_s, new_t, total_t, cold_t, dot


@triton.jit
def write_gradient(
    gradient, s, t, at, target, classes, top_s, top_t,
    pull_s, pull_t, push, slope, rate, split: tl.constexpr,
):  # fmt: skip
    """Write a block of the gradient: `slope` at the target, else a mixture."""
    parts_s = tl.exp((s - top_s) * rate)
    value = pull_s * parts_s - pull_t * tl.exp((t - top_t) * rate)
    if split:
        parts_s = tl.exp(s - top_s)
    value = tl.where(at == target, slope, value - push * parts_s)
    tl.store(gradient + at, value, mask=at < classes)


@triton.jit
def weigh_target(odds_s, odds_t, kind: tl.constexpr):
    """Return the target term, and its derivative by the student's odds."""
    s_in, s_out, log_s_in, log_s_out = _binary(odds_s)
    t_in, t_out, log_t_in, log_t_out = _binary(odds_t)
    if kind == 'soft_label':
        term = -t_in * log_s_in
        slope = -t_in * s_out
    else:
        term = t_in * (log_t_in - log_s_in) + t_out * (log_t_out - log_s_out)
        # The same number; near 1 the small differences are in the others.
        slope = tl.where(odds_s > 0, t_out - s_out, s_in - t_in)
    return term, slope


@triton.jit
def _binary(odds):
    """Return target's and others' probability, and both logarithms."""
    small = tl.exp(-tl.abs(odds))
    log_sum = _log1p(small)
    inside = tl.where(odds < 0, small, 1.0) / (1 + small)
    outside = tl.where(odds < 0, 1.0, small) / (1 + small)
    log_in = tl.minimum(odds, 0.0) - log_sum
    log_out = -tl.maximum(odds, 0.0) - log_sum
    return inside, outside, log_in, log_out


@triton.jit
def _log1p(x):
    """Compute log(1 + x) for x >= 0: what 1 + x rounds off, a factor adds."""
    rounded = 1 + x
    factor = tl.where(rounded == 1, 1.0, x / (rounded - 1))
    return tl.where(rounded == 1, x, tl.log(rounded) * factor)
