"""Weighted soft labels for distillation (WSLD)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_inputs
from .tensors import finite, reduce_loss, student_and_teacher


def wsld_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 2.0,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the weighted soft labels (WSLD) loss.

    .. math::
        L = - w \lambda^2 \sum_i T^\lambda_i \log S^\lambda_i, \qquad
        w = \mathrm{stop\_grad}(1 - \exp(-\mathrm{CE}(S) / \mathrm{CE}(T)))

    with :math:`S^\lambda`, :math:`T^\lambda` the softmax of student and
    teacher at temperature :math:`\lambda`, and CE the cross-entropy with the
    label at temperature 1. A sample counts less, the more the student is
    ahead of the teacher on it.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        target: (N,) class indices, or (N, C) scores of mixed labels, with
            which CE is that of soft labels.
        temperature: :math:`\lambda > 0`.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.nkd_loss`.

    Reference:
        Zhou et al., "Rethinking Soft Labels for Knowledge Distillation: A
        Bias-Variance Tradeoff Perspective", ICLR 2021, arXiv 2102.00650.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> loss = wsld_loss(student, teacher, torch.tensor([0]))
        >>> print(f'{loss:.4f}')
        3.5702
    """
    inputs = logits_student, logits_teacher, target
    check_inputs(*inputs, temperature=temperature)

    student, teacher = student_and_teacher(logits_student, logits_teacher)
    student = finite(student, temperature)
    log_s = F.log_softmax(student / temperature, dim=1)
    t = F.softmax(teacher / temperature, dim=1)
    cross_entropy = -(t * log_s).sum(dim=1)

    label = target.long() if target.ndim == 1 else target.to(log_s.dtype)
    ce_student = F.cross_entropy(student.detach(), label, reduction='none')
    ce_teacher = F.cross_entropy(finite(teacher), label, reduction='none')
    # 1e-7 as in the authors' code: a certain teacher has a CE of 0.
    weight = -torch.expm1(-ce_student / (ce_teacher + 1e-7))
    return reduce_loss(weight * temperature**2 * cross_entropy, reduction)
