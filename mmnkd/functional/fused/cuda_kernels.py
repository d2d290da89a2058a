"""The Triton kernels of the fused losses: one program a row of logits."""

# Triton's arguments have no types.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl

from .cuda_parts import (
    absorb,
    grow,
    logit,
    others,
    target_of,
    weigh_target,
    write_gradient,
)

__all__ = [
    'loss_kernel',
    'own_backward_kernel',
    'own_forward_kernel',
    'scale_kernel',
]

# Scalars arrive as float64, lest a loss in float64 gets its temperature in
# float32; each kernel casts them once to the precision of its sums. Shapes
# are constants, for Triton then sees how far rows are aligned: with 1000
# classes, whose count no power of two above 8 divides, it would else load
# one element at a time.


@triton.jit
def loss_kernel(
    student,  # (N, C)
    teacher,  # (N, C)
    index,  # (N,), or None
    target_term,  # (N,)
    others_term,  # (N,)
    teacher_odds,  # (N,)
    gradient,  # (N, C), or None
    rate: tl.float64,
    others_weight: tl.float64,
    target_weight: tl.float64,
    scale: tl.float64,
    student_stride: tl.constexpr,
    teacher_stride: tl.constexpr,
    classes: tl.constexpr,
    kind: tl.constexpr,
    entropy: tl.constexpr,
    split: tl.constexpr,
    block: tl.constexpr,
):
    """Write a row of `Rows`; `split` says that the target has temperature 1.

    A row of one block is read once; a longer one again for the gradient, back
    to front, as its last blocks are those the caches still hold.
    """
    row = tl.program_id(0).to(tl.int64)
    dtype = target_term.dtype.element_ty
    rate = tl.full((), rate, dtype)
    student += row * student_stride
    teacher += row * teacher_stride
    target = target_of(index, row, kind)

    first = tl.where(target == 0, 1, 0)
    top_s = tl.load(student + first).to(dtype)
    top_t = tl.load(teacher + first).to(dtype)
    total_s = tl.full((), 0, dtype)
    total_t = tl.full((), 0, dtype)
    cold_s = tl.full((), 0, dtype)  # the totals at temperature 1
    cold_t = tl.full((), 0, dtype)
    dot = tl.full((), 0, dtype)
    columns = tl.arange(0, block)
    one_block: tl.constexpr = classes <= block
    if one_block:
        s = others(student, columns, target, classes, dtype, '')
        t = others(teacher, columns, target, classes, dtype, '')
        (top_s, total_s, cold_s, top_t, total_t, cold_t, dot) = absorb(
            s, t, top_s, total_s, cold_s, top_t, total_t, cold_t, dot,
            rate, entropy, split,
        )  # fmt: skip
    else:
        for start in range(0, classes, block):
            at = start + columns
            s = others(student, at, target, classes, dtype, 'evict_last')
            t = others(teacher, at, target, classes, dtype, 'evict_last')
            (top_s, total_s, cold_s, top_t, total_t, cold_t, dot) = absorb(
                s, t, top_s, total_s, cold_s, top_t, total_t, cold_t, dot,
                rate, entropy, split,
            )  # fmt: skip

    others_weight = tl.full((), others_weight, dtype)
    divergence = dot / total_t * rate + tl.log(total_s)
    if entropy:
        divergence -= tl.log(total_t)
    tl.store(others_term + row, others_weight * divergence)

    slope = tl.full((), 0, dtype)
    term = tl.full((), 0, dtype)
    odds_t = tl.full((), 0, dtype)
    if kind is not None:
        target_rate = rate
        if kind == 'soft_label':
            target_rate = tl.full((), 1, dtype)
        if not split:
            cold_s = total_s
            cold_t = total_t
        target_weight = tl.full((), target_weight, dtype)
        s_t = logit(student, target, classes, dtype)
        t_t = logit(teacher, target, classes, dtype)
        odds_s = (s_t - top_s) * target_rate - tl.log(cold_s)
        odds_t = (t_t - top_t) * target_rate - tl.log(cold_t)
        term, slope = weigh_target(odds_s, odds_t, kind)
        term *= target_weight
        slope *= target_weight * target_rate
    tl.store(target_term + row, term)
    tl.store(teacher_odds + row, odds_t)

    if gradient is not None:
        gradient += row * classes
        scale = tl.full((), scale, dtype)
        slope *= scale
        pull_s = others_weight * rate * scale / total_s
        pull_t = others_weight * rate * scale / total_t
        push = slope / total_s
        if split:
            push = slope / cold_s
        if one_block:
            write_gradient(
                gradient, s, t, columns, target, classes, top_s, top_t,
                pull_s, pull_t, push, slope, rate, split,
            )  # fmt: skip
        else:
            last: tl.constexpr = (classes - 1) // block * block
            for back in range(0, classes, block):
                at = last - back + columns
                s = others(student, at, target, classes, dtype, 'evict_first')
                t = others(teacher, at, target, classes, dtype, 'evict_first')
                write_gradient(
                    gradient, s, t, at, target, classes, top_s, top_t,
                    pull_s, pull_t, push, slope, rate, split,
                )  # fmt: skip


@triton.jit
def scale_kernel(
    gradient,  # (N, C)
    student,  # (N, C)
    index,  # (N,), or None
    teacher_odds,  # (N,)
    grad_target,  # (N,)
    grad_others,  # (N,)
    rate: tl.float64,
    target_weight: tl.float64,
    scale: tl.float64,
    target_stride,
    others_stride,
    gradient_stride: tl.constexpr,
    student_stride: tl.constexpr,
    classes: tl.constexpr,
    kind: tl.constexpr,
    block: tl.constexpr,
):
    """Turn `scale` times a row's gradient into what the backward asks for.

    `rate` is that of the target's temperature.
    """
    row = tl.program_id(0).to(tl.int64)
    dtype = teacher_odds.dtype.element_ty
    by_others = tl.load(grad_others + row * others_stride)
    by_target = by_others
    if kind is not None:
        by_target = tl.load(grad_target + row * target_stride)
    asked = tl.full((), scale, by_others.dtype)
    if (by_target != asked) | (by_others != asked):
        gradient += row * gradient_stride
        factor = by_others.to(dtype) / tl.full((), scale, dtype)
        if kind is None:
            _multiply(gradient, factor, classes, block)
        else:  # no elif: Triton is to leave this out
            if by_target == by_others:
                _multiply(gradient, factor, classes, block)
            else:
                weight = tl.full((), target_weight, dtype)
                weight *= by_target.to(dtype) - by_others.to(dtype)
                _add_target(
                    gradient, factor, student + row * student_stride,
                    target_of(index, row, kind),
                    tl.load(teacher_odds + row), weight,
                    tl.full((), rate, dtype), classes, kind, block,
                )  # fmt: skip


@triton.jit
def _multiply(gradient, factor, classes: tl.constexpr, block: tl.constexpr):
    """Scale a row by `factor`."""
    for start in range(0, classes, block):
        at = start + tl.arange(0, block)
        value = tl.load(gradient + at, mask=at < classes).to(factor.dtype)
        tl.store(gradient + at, value * factor, mask=at < classes)


@triton.jit
def _add_target(
    gradient, factor, student, target, odds_t, weight, rate,
    classes: tl.constexpr, kind: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Scale a row by `factor`, and add `weight` times the target term's."""
    dtype = odds_t.dtype
    top = tl.load(student + tl.where(target == 0, 1, 0)).to(dtype)
    total = tl.full((), 0, dtype)
    for start in range(0, classes, block):
        at = start + tl.arange(0, block)
        s = others(student, at, target, classes, dtype, 'evict_last')
        new = tl.maximum(top, tl.max(s, 0))
        total = grow(s, total, top, new, rate)
        top = new
    s_t = logit(student, target, classes, dtype)
    odds_s = (s_t - top) * rate - tl.log(total)
    _, slope = weigh_target(odds_s, odds_t, kind)
    slope *= weight * rate
    for start in range(0, classes, block):
        at = start + tl.arange(0, block)
        s = others(student, at, target, classes, dtype, 'evict_first')
        added = tl.where(
            at == target, slope, -slope / total * tl.exp((s - top) * rate)
        )
        value = tl.load(gradient + at, mask=at < classes).to(dtype)
        tl.store(gradient + at, value * factor + added, mask=at < classes)


@triton.jit
def own_forward_kernel(
    student,  # (N, C)
    index,  # (N, K)
    log_probs,  # (N, K)
    log_normalizer,  # (N,)
    student_stride: tl.constexpr,
    classes: tl.constexpr,
    labels: tl.constexpr,
    block: tl.constexpr,
):
    """Write a row's log-probabilities at the labels, and its logsumexp."""
    row = tl.program_id(0).to(tl.int64)
    dtype = log_probs.dtype.element_ty
    student += row * student_stride
    top = tl.load(student).to(dtype)
    total = tl.full((), 0, dtype)
    for start in range(0, classes, block):
        at = start + tl.arange(0, block)
        s = others(student, at, -1, classes, dtype, '')
        new = tl.maximum(top, tl.max(s, 0))
        total = grow(s, total, top, new, 1.0)
        top = new
    log_total = tl.log(total)
    for k in tl.static_range(labels):
        label = tl.load(index + row * labels + k)
        s_k = logit(student, label, classes, dtype)
        tl.store(log_probs + row * labels + k, s_k - top - log_total)
    normalizer = top.to(tl.float64) + log_total.to(tl.float64)
    tl.store(log_normalizer + row, normalizer)


@triton.jit
def own_backward_kernel(
    gradient,  # (N, C)
    student,  # (N, C)
    index,  # (N, K)
    log_normalizer,  # (N,)
    factor,  # (N, K)
    student_stride: tl.constexpr,
    classes: tl.constexpr,
    labels: tl.constexpr,
    block: tl.constexpr,
):
    """Write a block of a row's gradient of the weighted log-probabilities."""
    row = tl.program_id(0).to(tl.int64)
    dtype = factor.dtype.element_ty
    student += row * student_stride
    gradient += row * classes
    normalizer = tl.load(log_normalizer + row)
    high = normalizer.to(dtype)
    low = (normalizer - high.to(tl.float64)).to(dtype)
    total = tl.full((), 0, dtype)
    for k in tl.static_range(labels):
        total += tl.load(factor + row * labels + k)
    for start in range(0, classes, block):
        at = start + tl.arange(0, block)
        s = others(student, at, -1, classes, dtype, '')
        value = -total * tl.exp(s - high - low)
        for k in tl.static_range(labels):
            here = at == tl.load(index + row * labels + k)
            value += tl.where(here, tl.load(factor + row * labels + k), 0.0)
        tl.store(gradient + at, value, mask=at < classes)
