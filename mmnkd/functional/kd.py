"""Knowledge distillation (KD), the classic."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .checks import check_pair, check_positive
from .tensors import finite, kl_divergence, reduce_loss, student_and_teacher


def kd_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    *,
    temperature: float = 1.0,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the knowledge distillation (KD) loss.

    .. math::
        L = \lambda^2 \sum_i T^\lambda_i (\log T^\lambda_i - \log S^\lambda_i)

    with :math:`S^\lambda`, :math:`T^\lambda` the softmax of student and
    teacher at temperature :math:`\lambda`. Labels are not used.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        temperature: :math:`\lambda > 0`.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError: An input is no tensor, or of no floating dtype.
        ValueError: Shapes differ, there is no sample or only one class, or a
            setting is out of range.

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network",
        arXiv 1503.02531.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> print(f'{kd_loss(student, teacher, temperature=2.0):.4f}')
        0.3026
    """
    check_pair(logits_student, logits_teacher)
    check_positive('temperature', temperature)

    student, teacher = student_and_teacher(logits_student, logits_teacher)
    log_s = F.log_softmax(finite(student / temperature), dim=1)
    log_t = F.log_softmax(finite(teacher / temperature), dim=1)
    divergence = kl_divergence(log_s, log_t)
    return reduce_loss(temperature**2 * divergence, reduction)
