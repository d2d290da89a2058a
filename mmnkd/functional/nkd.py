"""Normalized knowledge distillation (NKD)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .checks import (
    check_not_negative,
    check_pair,
    check_positive,
    check_target,
)
from .fused import Spec, Terms, can_fuse
from .tensors import drop, reduce_loss, student_and_teacher, target_index

__all__ = ['nkd_loss', 'nkd_terms']


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
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> terms = nkd_terms(student, teacher, torch.tensor([0]))
        >>> print(*[f'{term.item():.4f}' for term in terms])
        0.3439 1.5665
    """
    check_pair(logits_student, logits_teacher)
    check_target(target, logits_student)
    check_positive('temperature', temperature)
    check_not_negative('gamma', gamma)

    index = target_index(target)
    if can_fuse(logits_student, logits_teacher, index):
        spec = Spec.nkd(temperature, gamma)
        teacher = logits_teacher.detach()
        return Terms.apply(logits_student, teacher, index, spec)
    student, teacher = student_and_teacher(logits_student, logits_teacher)
    log_s = F.log_softmax(student, dim=1).gather(1, index)
    t = F.softmax(teacher, dim=1).gather(1, index)
    target_term = -(t * log_s).squeeze(1)

    log_s_hat = F.log_softmax(drop(student / temperature, index), dim=1)
    t_hat = F.softmax(drop(teacher / temperature, index), dim=1)
    cross_entropy = -(t_hat * log_s_hat).sum(dim=1)
    nontarget_term = gamma * temperature**2 * cross_entropy
    return target_term, nontarget_term
