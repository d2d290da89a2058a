"""Transformed teacher matching (TTM), and its weighted form (WTTM)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .checks import check_pair, check_positive
from .tensors import finite, kl_divergence, reduce_loss, student_and_teacher


def ttm_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    *,
    temperature: float,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the transformed teacher matching (TTM) loss.

    .. math::
        L = \sum_i T^\lambda_i (\log T^\lambda_i - \log S_i)

    with :math:`T^\lambda` the teacher's softmax at temperature
    :math:`\lambda`, and :math:`S` the student's at temperature 1. Labels are
    not used.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        temperature: :math:`\lambda > 0`, of the teacher alone;
            :math:`1 / \gamma` of the paper. At 1 the loss is KD.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.kd_loss`.

    Reference:
        Zheng and Yang, "Knowledge Distillation Based on Transformed Teacher
        Matching", ICLR 2024, arXiv 2402.11148.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> print(f'{ttm_loss(student, teacher, temperature=2.0):.4f}')
        0.1043
    """
    check_pair(logits_student, logits_teacher)
    check_positive('temperature', temperature)

    student, teacher = student_and_teacher(logits_student, logits_teacher)
    log_s = F.log_softmax(finite(student), dim=1)
    log_t = F.log_softmax(finite(teacher / temperature), dim=1)
    return reduce_loss(kl_divergence(log_s, log_t), reduction)


def wttm_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    *,
    temperature: float,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the weighted transformed teacher matching (WTTM) loss.

    .. math::
        L = U \sum_i T^\lambda_i (\log T^\lambda_i - \log S_i), \qquad
        U = \sum_i T_i^{1 / \lambda}

    which is TTM with a weight :math:`U` for each sample: 1 where the teacher
    is certain, :math:`C^{1 - 1 / \lambda}` where it has no idea. Labels are
    not used.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        temperature: :math:`\lambda > 0`, of the teacher alone;
            :math:`1 / \gamma` of the paper. At 1 the loss is KD.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.kd_loss`.

    Reference:
        Zheng and Yang, "Knowledge Distillation Based on Transformed Teacher
        Matching", ICLR 2024, arXiv 2402.11148.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> print(f'{wttm_loss(student, teacher, temperature=2.0):.4f}')
        0.1525
    """
    pair = logits_student, logits_teacher
    divergence = ttm_loss(*pair, temperature=temperature, reduction='none')
    # Of log T, not of T: a power of what has underflowed is lost.
    _, teacher = student_and_teacher(*pair)
    log_powers = F.log_softmax(teacher, dim=1) / temperature
    weight = log_powers.logsumexp(dim=1).exp()
    return reduce_loss(weight * divergence, reduction)
