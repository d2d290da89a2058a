"""Decoupled knowledge distillation (DKD)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .closed_form import closed_or_plain
from .tensors import (
    compare_others,
    drop,
    finite,
    kl_divergence,
    log_binary,
    reduce_loss,
    student_and_teacher,
)


def dkd_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 8.0,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the decoupled knowledge distillation (DKD) loss.

    .. math::
        L = \alpha \lambda^2 \mathrm{KL}(b^T \| b^S)
            + \beta \lambda^2 \mathrm{KL}(\hat T \| \hat S)

    with all softmaxes at temperature :math:`\lambda`: :math:`b` holds the
    target class :math:`t` against all the others, :math:`(S_t, 1 - S_t)`, and
    :math:`\hat S`, :math:`\hat T` are the softmax over the other C-1 classes.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        target: (N,) class indices, or (N, C) scores of mixed labels, whose
            largest entry is the target class (as in NKD).
        temperature: :math:`\lambda > 0`.
        alpha: Weight >= 0 of the target term.
        beta: Weight >= 0 of the non-target term.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.nkd_loss`.

    Reference:
        Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022,
        arXiv 2203.08679.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> loss = dkd_loss(student, teacher, torch.tensor([0]))
        >>> print(f'{loss:.4f}')
        4.1034
    """
    inputs = logits_student, logits_teacher, target
    (loss,) = _dkd(
        *inputs, apart=False, temperature=temperature, alpha=alpha, beta=beta
    )
    return reduce_loss(loss, reduction)


def dkd_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> tuple[Tensor, Tensor]:
    """Compute the two terms of DKD per sample, to log them apart.

    Arguments, errors and reference are as in :func:`dkd_loss`.

    Returns:
        Weighted target and non-target term, both (N,). Their sum is
        :func:`dkd_loss` with ``reduction='none'``.
    """
    inputs = logits_student, logits_teacher, target
    target_term, nontarget_term = _dkd(
        *inputs, apart=True, temperature=temperature, alpha=alpha, beta=beta
    )
    return target_term, nontarget_term


def _plain_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    index: Tensor,
    temperature: float,
    alpha: float,
    beta: float,
) -> tuple[Tensor, Tensor]:
    student, teacher = student_and_teacher(logits_student, logits_teacher)
    teacher = finite(teacher / temperature)
    # The terms share no graph: each can have a backward of its own.
    binary = kl_divergence(
        log_binary(finite(student / temperature), index),
        log_binary(teacher, index),
    )
    others = kl_divergence(
        F.log_softmax(drop(finite(student / temperature), index), dim=1),
        F.log_softmax(drop(teacher, index), dim=1),
    )
    return alpha * temperature**2 * binary, beta * temperature**2 * others


def _closed_terms(
    block: tuple[Tensor, ...], temperature: float, alpha: float, beta: float
) -> tuple[Tensor, ...]:
    student, teacher, index, x, t, s, others = block
    t_own = compare_others(teacher, index, temperature, out=x)
    t_sum = torch.exp(x.div_(temperature), out=t).sum(dim=1, keepdim=True)
    s_own = compare_others(student, index, temperature, out=others)
    s_sum = torch.exp(others.div_(temperature), out=s).sum(dim=1, keepdim=True)

    pair = torch.cat([s_own / temperature, s_sum.log()], dim=1)
    log_s = F.log_softmax(pair, dim=1)
    pair = torch.cat([t_own / temperature, t_sum.log()], dim=1)
    log_t = F.log_softmax(pair, dim=1)
    target_term = alpha * temperature**2 * kl_divergence(log_s, log_t)
    ahead = alpha * temperature * (log_s.exp() - log_t.exp())

    difference = x.sub_(others).mul_(t).sum(dim=1, keepdim=True)
    divergence = difference / t_sum + (s_sum / t_sum).log()
    weight = beta * temperature
    torch.mul(s, weight / s_sum, out=others).addcmul_(t, -weight / t_sum)
    return (
        target_term.unsqueeze(1),
        weight * temperature * divergence,
        ahead[:, :1],
        ahead[:, 1:] / s_sum,
    )


_dkd = partial(closed_or_plain, _closed_terms, _plain_terms)
