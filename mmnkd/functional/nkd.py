"""Normalized knowledge distillation (NKD)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .closed_form import closed_or_plain
from .tensors import (
    compare_others,
    drop,
    exp_of_others,
    finite,
    reduce_loss,
    student_and_teacher,
)


def nkd_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the normalized knowledge distillation (NKD) loss.

    .. math::
        L = - T_t \log S_t
            - \gamma \lambda^2 \sum_{i \ne t} \hat T_i \log \hat S_i

    with :math:`S`, :math:`T` the softmax of student and teacher at
    temperature 1, :math:`t` the target class, and :math:`\hat S`,
    :math:`\hat T` the softmax over the other C-1 classes of the logits
    divided by :math:`\lambda`. It is added to the student's own loss.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        target: (N,) class indices, or (N, C) scores of mixed labels, whose
            largest entry is the target class.
        temperature: :math:`\lambda > 0`, of the non-target classes only.
        gamma: :math:`\gamma \ge 0`, weight of the non-target term (called
            alpha in arXiv 2208.10139).
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError: An input is no tensor, or of the wrong kind of dtype.
        ValueError: Shapes differ, there is no sample or only one class, a
            label is out of range (seen on CPUs only: on a GPU it gives NaN,
            or torch's own assert), or a setting is.

    Reference:
        Yang et al., "Rethinking Knowledge Distillation via Cross-Entropy",
        arXiv 2208.10139.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> loss = nkd_loss(student, teacher, torch.tensor([0]))
        >>> print(f'{loss:.4f}')
        1.9104
    """
    inputs = logits_student, logits_teacher, target
    (loss,) = _nkd(*inputs, apart=False, temperature=temperature, gamma=gamma)
    return reduce_loss(loss, reduction)


def nkd_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
) -> tuple[Tensor, Tensor]:
    r"""Compute the two terms of NKD per sample, to log them apart.

    Arguments, errors and reference are as in :func:`nkd_loss`.

    Returns:
        Target term :math:`-T_t \log S_t` and weighted non-target term, both
        (N,). Their sum is :func:`nkd_loss` with ``reduction='none'``.
    """
    inputs = logits_student, logits_teacher, target
    target_term, nontarget_term = _nkd(
        *inputs, apart=True, temperature=temperature, gamma=gamma
    )
    return target_term, nontarget_term


def _plain_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    index: Tensor,
    temperature: float,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    student, teacher = student_and_teacher(logits_student, logits_teacher)
    t = F.softmax(teacher, dim=1).gather(1, index).squeeze(1)
    minus_log_s = F.cross_entropy(student, index.squeeze(1), reduction='none')
    target_term = t * minus_log_s

    if temperature != 1:
        student, teacher = student / temperature, teacher / temperature
    log_s_hat = F.log_softmax(drop(finite(student), index), dim=1)
    t_hat = F.softmax(drop(teacher, index), dim=1)
    weight = -gamma * temperature**2
    return target_term, weight * (t_hat * log_s_hat).sum(dim=1)


def _closed_terms(
    block: tuple[Tensor, ...], temperature: float, gamma: float
) -> tuple[Tensor, ...]:
    student, teacher, index, spare, t, s, others = block
    x = others  # until its gradient is written
    t_own, t_sum = exp_of_others(teacher, index, 1, x, t)
    t_t = t_own / (t_own + t_sum)
    if temperature != 1:
        _, t_sum = exp_of_others(teacher, index, temperature, x, t)

    s_own = compare_others(student, index, temperature, out=x)
    s_sum = torch.exp(x, out=s).sum(dim=1, keepdim=True)
    log_odds = s_own - s_sum.log()
    target_term = -t_t * F.logsigmoid(log_odds)
    pull = t_t * torch.sigmoid(-log_odds)

    # -log S_i = log(total) - x_i, of which no part is negative.
    powers, total = s, s_sum
    if temperature != 1:
        powers = spare
        total = torch.exp(x.div_(temperature), out=powers).sum(1, keepdim=True)
    cross_entropy = total.log() - x.mul_(t).sum(dim=1, keepdim=True) / t_sum
    weight = gamma * temperature
    torch.mul(powers, weight / total, out=others)
    others.addcmul_(t, -weight / t_sum)
    others_term = weight * temperature * cross_entropy
    return target_term, others_term, -pull, pull / s_sum


_nkd = partial(closed_or_plain, _closed_terms, _plain_terms)
