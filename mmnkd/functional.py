"""Distillation losses as pure functions of tensors: torch, nothing else.

Every loss is computed per sample in log-space, in float32 or better, and
reduced last. Nothing waits for a GPU: no boolean indexing, no ``.item()``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import (
    check_logits,
    check_not_negative,
    check_positive,
    check_reduction,
    check_same_shape,
    check_target,
)

__all__ = ['nkd_loss', 'nkd_terms', 'reduce_loss', 'tf_nkd_loss']


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
            label is out of range (seen on CPUs only: on a GPU torch's own
            assert guards it), or a setting is.

    Reference:
        Yang et al., "Rethinking Knowledge Distillation via Cross-Entropy",
        arXiv 2208.10139.

    Example:
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> loss = nkd_loss(student, teacher, torch.tensor([0]))
        >>> print(f'{loss:.4f}')
        1.9104
    """
    target_term, nontarget_term = nkd_terms(
        logits_student,
        logits_teacher,
        target,
        temperature=temperature,
        gamma=gamma,
    )
    return reduce_loss(target_term + nontarget_term, reduction)


def nkd_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
) -> tuple[Tensor, Tensor]:
    r"""Compute the two terms of NKD per sample, for those who log them apart.

    Args:
        logits_student: See :func:`nkd_loss`, as for all that follows.
        logits_teacher: (N, C) logits.
        target: (N,) class indices or (N, C) scores.
        temperature: :math:`\lambda`.
        gamma: :math:`\gamma`.

    Returns:
        Target term :math:`-T_t \log S_t` and weighted non-target term, both
        (N,). Their sum is :func:`nkd_loss` with ``reduction='none'``.

    Raises:
        TypeError, ValueError: As :func:`nkd_loss`.

    Reference:
        Yang et al., arXiv 2208.10139.

    Example:
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> terms = nkd_terms(student, teacher, torch.tensor([0]))
        >>> print(*[f'{term.item():.4f}' for term in terms])
        0.3439 1.5665
    """
    check_logits('logits_student', logits_student)
    check_logits('logits_teacher', logits_teacher)
    check_same_shape(logits_student, logits_teacher)
    check_target(target, logits_student)
    check_positive('temperature', temperature)
    check_not_negative('gamma', gamma)

    student = _at_least_float32(logits_student)
    teacher = _at_least_float32(logits_teacher.detach())
    index = _target_index(target)

    log_s = F.log_softmax(student, dim=1).gather(1, index)
    t = F.softmax(teacher, dim=1).gather(1, index)
    target_term = -(t * log_s).squeeze(1)

    log_s_hat = F.log_softmax(_drop(student / temperature, index), dim=1)
    t_hat = F.softmax(_drop(teacher / temperature, index), dim=1)
    # The dropped class has t_hat = 0 and log_s_hat = -inf, whose product is
    # NaN: it is left out by setting log_s_hat to 0 there.
    cross_entropy = -(t_hat * log_s_hat.scatter(1, index, 0.0)).sum(dim=1)
    nontarget_term = gamma * temperature**2 * cross_entropy
    return target_term, nontarget_term


def tf_nkd_loss(
    logits_student: Tensor, target: Tensor, *, reduction: str = 'mean'
) -> Tensor:
    r"""Compute the teacher-free NKD (tf-NKD) loss.

    .. math::
        L = - w \log S_t, \qquad
        w = \mathrm{stop\_grad}(S_t + V_t - \mathrm{mean}_{batch}(S_t))

    with :math:`S` the student's softmax and :math:`V_t` the label value (1
    for a class index). Of a mixed label the two largest entries count, each a
    term with a batch mean of its own; an entry of 0 adds nothing, neither to
    the loss nor to the mean. It is added to the student's own loss.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        target: (N,) class indices, or (N, C) scores of mixed labels.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where the logits are float64. The batch mean is over this
        batch: under data parallelism, that of one process.

    Raises:
        TypeError, ValueError: As :func:`nkd_loss`.

    Reference:
        Yang et al., "Rethinking Knowledge Distillation via Cross-Entropy",
        arXiv 2208.10139.

    Example:
        >>> student = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
        >>> loss = tf_nkd_loss(student, torch.tensor([0, 1]))
        >>> print(f'{loss:.4f}')
        0.2781
    """
    check_logits('logits_student', logits_student)
    check_target(target, logits_student)

    log_probs = F.log_softmax(_at_least_float32(logits_student), dim=1)
    if target.ndim == 1:
        index = _target_index(target)
        value = torch.ones_like(index, dtype=log_probs.dtype)
    else:
        value, index = target.to(log_probs.dtype).topk(2, dim=1)

    log_s = log_probs.gather(1, index)  # (N, 1), or (N, 2) for mixed labels
    s = log_s.detach().exp()
    labelled = (value > 0).to(s.dtype)
    batch_mean = (s * labelled).sum(dim=0) / labelled.sum(dim=0).clamp(min=1)
    weight = (s + value - batch_mean) * labelled
    return reduce_loss(-(weight * log_s).sum(dim=1), reduction)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _target_index(target: Tensor) -> Tensor:
    """Return the (N, 1) index of each sample's target class."""
    if target.ndim == 2:
        return target.argmax(dim=1, keepdim=True)
    return target.long().unsqueeze(1)


def _drop(logits: Tensor, index: Tensor) -> Tensor:
    """Give the class at `index` (N, 1) no share in a softmax."""
    return logits.scatter(1, index, float('-inf'))


def reduce_loss(per_sample: Tensor, reduction: str) -> Tensor:
    """Reduce (N,) losses by 'mean' or 'sum', or leave them by 'none'."""
    check_reduction(reduction)
    if reduction == 'mean':
        return per_sample.mean()
    return per_sample.sum() if reduction == 'sum' else per_sample
