"""Weights of samples by entropy (EA-KD)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_pair, check_positive
from .tensors import finite, student_and_teacher


@torch.no_grad()
def entropy_weight(
    logits_student: Tensor, logits_teacher: Tensor, *, temperature: float
) -> Tensor:
    r"""Compute a weight for each sample by how unsure both networks are.

    .. math::
        w = \tfrac{1}{2} H(T^\tau)
            \left(1 + \frac{H(S^\tau)}{\ln C}\right), \qquad
        H(p) = - \sum_i p_i \ln p_i

    with :math:`S^\tau`, :math:`T^\tau` the softmax of student and teacher at
    temperature :math:`\tau`. It multiplies the rows of any loss that has
    some. From 0 to :math:`\ln C`, it isn't normalized: its mean scales the
    whole loss.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher.
        temperature: :math:`\tau > 0`, apart from that of the loss. The paper
            has 3 on CIFAR-100 and 2 on ImageNet.

    Returns:
        (N,) weights without a gradient; float32, or float64 where an input is
        float64. A class at -inf in the student's logits isn't counted in
        :math:`C`.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.kd_loss`.

    Reference:
        Su et al., "EA-KD: Entropy-based Adaptive Knowledge Distillation",
        ICCV 2025, arXiv 2311.13621.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> weight = entropy_weight(student, teacher, temperature=2.0)
        >>> print(f'{weight.item():.4f}')
        0.8736
    """
    check_pair(logits_student, logits_teacher)
    check_positive('temperature', temperature)

    student, teacher = student_and_teacher(logits_student, logits_teacher)
    h_student = _entropy(student / temperature)
    h_teacher = _entropy(teacher / temperature)
    classes = (~logits_student.isneginf()).sum(dim=1)
    largest = classes.clamp(min=2).to(h_student.dtype).log()
    return h_teacher * (1 + h_student / largest) / 2


def _entropy(logits: Tensor) -> Tensor:
    log_p = F.log_softmax(finite(logits), dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)
