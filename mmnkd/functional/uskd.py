"""Universal self-knowledge distillation (USKD), without a teacher."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_not_negative, check_pair, check_target
from .ranks import check_scope
from .tensors import at_least_float32, drop, finite, labels_of, reduce_loss
from .tf_nkd import own_target_term


def uskd_loss(
    logits_student: Tensor,
    logits_weak: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 0.1,
    mu: float = 0.005,
    batch: str = 'local',
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the universal self-knowledge distillation (USKD) loss.

    .. math::
        L = - \alpha \sum_k P_k \log S_{t_k}
            - \beta \sum_i z_i \log \hat S_i
            - \mu \sum_i y'_i \log W_i

    with :math:`S` and :math:`W` the softmax of the student and of a weak head
    on a feature from its middle; :math:`P_k = \mathrm{stop\_grad}(S_{t_k}^2 +
    V_k - \mathrm{mean}_{batch}(S_{t_k}^2))` with :math:`V_k` the label value;
    :math:`\hat S` the softmax over the classes without a label; :math:`z` one
    over the class's rank in :math:`W / (1 - W_t) + S / (1 - S_t)`, normalized
    over those classes; and :math:`y' = 0.9 y + 0.1 / C` the smoothed label.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_weak: (N, C) logits of the weak head; the last term is the only
            one that sends it a gradient.
        target: (N,) class indices, or (N, C) scores of mixed labels, whose
            two largest entries count, each with a batch mean of its own over
            the samples that have it; an entry of 0 is no label (see
            :func:`mmnkd.functional.tf_nkd_loss` on the authors' code).
        alpha: Weight >= 0 of the target term.
        beta: Weight >= 0 of the non-target term.
        mu: Weight >= 0 of the weak head's own loss.
        batch: What the batch means are over, see
            :func:`mmnkd.functional.tf_nkd_loss`.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.nkd_loss`.

    Reference:
        Yang et al., "From Knowledge Distillation to Self-Knowledge
        Distillation: A Unified Approach with Normalized Loss and Customized
        Soft Labels", ICCV 2023, arXiv 2303.13005.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
        >>> weak = torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.5, 0.2]])
        >>> loss = uskd_loss(student, weak, torch.tensor([0, 1]))
        >>> print(f'{loss:.4f}')
        0.3481
    """
    target_term, nontarget_term, weak_term = uskd_terms(
        logits_student,
        logits_weak,
        target,
        alpha=alpha,
        beta=beta,
        mu=mu,
        batch=batch,
    )
    return reduce_loss(target_term + nontarget_term + weak_term, reduction)


def uskd_terms(
    logits_student: Tensor,
    logits_weak: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 0.1,
    mu: float = 0.005,
    batch: str = 'local',
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the three terms of USKD per sample, to log them apart.

    Arguments, errors and reference are as in :func:`uskd_loss`.

    Returns:
        Weighted target term, non-target term and weak head's loss, all (N,).
        Their sum is :func:`uskd_loss` with ``reduction='none'``.
    """
    check_pair(logits_student, logits_weak, 'logits_weak')
    check_target(target, logits_student)
    for name, weight in (('alpha', alpha), ('beta', beta), ('mu', mu)):
        check_not_negative(name, weight)
    check_scope(batch)

    masked = logits_student.isneginf() | logits_weak.isneginf()
    student = at_least_float32(logits_student)
    log_s = F.log_softmax(finite(student), dim=1)
    log_w = F.log_softmax(finite(at_least_float32(logits_weak)), dim=1)
    value, index = labels_of(target, log_s.dtype)

    # Where there is no label, the index of the first label stands in.
    index = torch.where(value > 0, index, index[:, :1])
    is_label = torch.zeros_like(log_s).scatter(1, index, 1.0)
    with torch.no_grad():
        z = _zipf(log_s.exp(), log_w.exp(), is_label, masked)
    log_s_hat = F.log_softmax(drop(finite(student), index), dim=1)

    log_s_label = log_s.gather(1, index)
    target_term = alpha * own_target_term(log_s_label, value, 2, batch)
    nontarget_term = -beta * (z * log_s_hat).sum(dim=1)
    label = is_label if target.ndim == 1 else target.to(log_w.dtype)
    classes = (~masked).to(log_w.dtype)
    smoothed = 0.9 * label + 0.1 * classes / classes.sum(dim=1, keepdim=True)
    weak_term = -mu * (smoothed * log_w).sum(dim=1)
    return target_term, nontarget_term, weak_term


def _zipf(s: Tensor, w: Tensor, is_label: Tensor, masked: Tensor) -> Tensor:
    """Return (N, C) soft labels of the classes without a label."""
    # 1e-6 as in the authors' code: it decides the rank of near ties.
    w_t = (w * is_label).sum(dim=1, keepdim=True)
    s_t = (s * is_label).sum(dim=1, keepdim=True)
    score = w / (1 - w_t + 1e-6) + s / (1 - s_t + 1e-6)
    score = score.masked_fill(masked, -1)
    rank = score.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    z = (1 - is_label).masked_fill(masked, 0) / (rank + 1)
    # A mixed label of two classes out of two leaves none.
    return z / z.sum(dim=1, keepdim=True).clamp(min=torch.finfo(s.dtype).tiny)
