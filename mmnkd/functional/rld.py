"""Refined logit distillation (RLD)."""

from __future__ import annotations

from typing import Optional

import torch.nn.functional as F
from torch import Tensor

from .checks import check_inputs, check_positive
from .tensors import (
    finite,
    kl_divergence,
    log_binary,
    lowest,
    reduce_loss,
    student_and_teacher,
    target_index,
)


def rld_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float,
    alpha_temperature: Optional[float] = None,
    alpha: float,
    beta: float,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the refined logit distillation (RLD) loss.

    .. math::
        L = \alpha \lambda_\alpha^2 \mathrm{KL}(b^T \| b^S)
            + \beta \lambda^2 \mathrm{KL}(\tilde T \| \tilde S)

    with :math:`b^S = (S_t, 1 - S_t)` of the target class :math:`t`,
    :math:`b^T = (\max_i T_i, 1 - \max_i T_i)` of the class that the teacher
    ranks first, both at temperature :math:`\lambda_\alpha`, and
    :math:`\tilde S`, :math:`\tilde T` the softmax, at :math:`\lambda`, over
    the classes that the teacher ranks below the target. Where the teacher is
    right, this is DKD. Where there is no class below the target, or one, the
    second term is 0.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        target: (N,) class indices, or (N, C) scores of mixed labels, whose
            largest entry is the target class (as in NKD).
        temperature: :math:`\lambda > 0`.
        alpha_temperature: :math:`\lambda_\alpha > 0`; None for
            :math:`\lambda`, as in the paper.
        alpha: Weight >= 0 of the first term.
        beta: Weight >= 0 of the second term.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.nkd_loss`.

    Reference:
        Sun et al., "Knowledge Distillation with Refined Logits", ICCV 2025,
        arXiv 2408.07703.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[1.0, 4.0, 0.0]])
        >>> loss = rld_loss(
        ...     student,
        ...     teacher,
        ...     torch.tensor([0]),
        ...     temperature=2.0,
        ...     alpha=1.0,
        ...     beta=1.0,
        ... )
        >>> print(f'{loss:.4f}')
        0.4402
    """
    inputs = logits_student, logits_teacher, target
    terms = rld_terms(
        *inputs,
        temperature=temperature,
        alpha_temperature=alpha_temperature,
        alpha=alpha,
        beta=beta,
    )
    return reduce_loss(terms[0] + terms[1], reduction)


def rld_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float,
    alpha_temperature: Optional[float] = None,
    alpha: float,
    beta: float,
) -> tuple[Tensor, Tensor]:
    """Compute the two terms of RLD per sample, to log them apart.

    Arguments, errors and reference are as in :func:`rld_loss`.

    Returns:
        Weighted confidence term and term of the classes below the target,
        both (N,). Their sum is :func:`rld_loss` with ``reduction='none'``.
    """
    if alpha_temperature is None:
        alpha_temperature = temperature
    inputs = logits_student, logits_teacher, target
    check_inputs(*inputs, temperature=temperature, alpha=alpha, beta=beta)
    check_positive('alpha_temperature', alpha_temperature)

    index = target_index(target)
    student, teacher = student_and_teacher(logits_student, logits_teacher)
    confidence = kl_divergence(
        log_binary(finite(student / alpha_temperature), index),
        log_binary(
            finite(teacher / alpha_temperature),
            teacher.argmax(dim=1, keepdim=True),
        ),
    )

    below = teacher < teacher.gather(1, index)
    # Where all of them are at -inf, the teacher says nothing about them.
    says = (below & ~teacher.isneginf()).any(dim=1, keepdim=True)
    ranked_below = kl_divergence(
        _log_softmax_of(below & says, student / temperature),
        _log_softmax_of(below & says, teacher / temperature),
    )
    return (
        alpha * alpha_temperature**2 * confidence,
        beta * temperature**2 * ranked_below,
    )


def _log_softmax_of(classes: Tensor, logits: Tensor) -> Tensor:
    """Return (N, C) log-probabilities among the classes of a mask."""
    among = finite(logits).masked_fill(~classes, lowest(logits))
    return F.log_softmax(among, dim=1)
