"""Hard-label distillation."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .checks import check_pair
from .tensors import finite, reduce_loss, student_and_teacher


def hard_loss(
    logits_student: Tensor, logits_teacher: Tensor, *, reduction: str = 'mean'
) -> Tensor:
    r"""Compute the hard-label distillation loss.

    .. math::
        L = - \log S_m, \qquad m = \mathrm{argmax}_i T_i

    with :math:`S`, :math:`T` the softmax of student and teacher: the
    cross-entropy with the class that the teacher ranks first. Labels are not
    used.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.kd_loss`.

    Reference:
        Touvron et al., "Training data-efficient image transformers &
        distillation through attention", ICML 2021, arXiv 2012.12877.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> print(f'{hard_loss(student, teacher):.4f}')
        0.4076
    """
    check_pair(logits_student, logits_teacher)

    student, teacher = student_and_teacher(logits_student, logits_teacher)
    top = teacher.argmax(dim=1)
    loss = F.cross_entropy(finite(student), top, reduction='none')
    return reduce_loss(loss, reduction)
