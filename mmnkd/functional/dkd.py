"""Decoupled knowledge distillation (DKD)."""

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
from .tensors import (
    drop,
    kl_divergence,
    log_binary,
    reduce_loss,
    student_and_teacher,
    target_index,
)

__all__ = ['dkd_loss', 'dkd_terms']


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
    target_term, nontarget_term = dkd_terms(
        logits_student,
        logits_teacher,
        target,
        temperature=temperature,
        alpha=alpha,
        beta=beta,
    )
    return reduce_loss(target_term + nontarget_term, reduction)


def dkd_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> tuple[Tensor, Tensor]:
    """Compute the two terms of DKD per sample, for those who log them apart.

    Args:
        logits_student: See :func:`dkd_loss`, as for all that follows.
        logits_teacher: (N, C) logits.
        target: (N,) class indices or (N, C) scores.
        temperature: Of all softmaxes.
        alpha: Weight of the target term.
        beta: Weight of the non-target term.

    Returns:
        Weighted target and non-target term, both (N,). Their sum is
        :func:`dkd_loss` with ``reduction='none'``.

    Raises:
        TypeError, ValueError: As :func:`dkd_loss`.

    Reference:
        Zhao et al., arXiv 2203.08679.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> terms = dkd_terms(student, teacher, torch.tensor([0]))
        >>> print(*[f'{term.item():.4f}' for term in terms])
        0.1241 3.9793
    """
    check_pair(logits_student, logits_teacher)
    check_target(target, logits_student)
    check_positive('temperature', temperature)
    check_not_negative('alpha', alpha)
    check_not_negative('beta', beta)

    index = target_index(target)
    if can_fuse(logits_student, logits_teacher, index):
        spec = Spec.dkd(temperature, alpha, beta)
        teacher = logits_teacher.detach()
        return Terms.apply(logits_student, teacher, index, spec)
    student, teacher = student_and_teacher(logits_student, logits_teacher)
    student, teacher = student / temperature, teacher / temperature
    binary = kl_divergence(
        log_binary(student, index), log_binary(teacher, index)
    )
    others = kl_divergence(
        F.log_softmax(drop(student, index), dim=1),
        F.log_softmax(drop(teacher, index), dim=1),
    )
    return alpha * temperature**2 * binary, beta * temperature**2 * others
