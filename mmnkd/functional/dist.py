"""Distillation from a stronger teacher (DIST)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_not_negative, check_pair, check_positive
from .ranks import check_scope, gathered
from .tensors import reduce_loss, student_and_teacher


def dist_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    *,
    temperature: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
    batch: str = 'local',
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the DIST loss.

    .. math::
        L = \beta \lambda^2 (1 - \rho_{classes}(S^\lambda, T^\lambda))
            + \gamma \lambda^2 (1 - \rho_{batch}(S^\lambda, T^\lambda))

    with :math:`S^\lambda`, :math:`T^\lambda` the softmax of student and
    teacher at temperature :math:`\lambda`, and Pearson's correlation
    :math:`\rho` over the classes of each sample, and over the samples of each
    class (averaged over classes). A class at -inf has a probability of 0.
    Labels are not used. The gradient is the larger, the less the student's
    probabilities vary; what varies by rounding only, or in float16 by less
    than a thousandth, has a correlation of 0 and no gradient.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        temperature: :math:`\lambda > 0`.
        beta: Weight >= 0 of the relation between classes.
        gamma: Weight >= 0 of the relation within a class, over the batch.
        batch: What that is: 'local' for the samples of this process, as in
            the authors' code, or 'global' for those of all, where
            :mod:`torch.distributed` is initialized. Each process then sends
            its probabilities to all others.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none' (the second term, which the
        batch has in common, in each), else a scalar; float32, or float64
        where an input is float64.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.kd_loss`.

    Reference:
        Huang et al., "Knowledge Distillation from A Stronger Teacher",
        NeurIPS 2022, arXiv 2205.10536.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0], [1.0, 2.0, 0.0]])
        >>> print(f'{dist_loss(student, teacher):.4f}')
        0.7254
    """
    check_pair(logits_student, logits_teacher)
    check_positive('temperature', temperature)
    check_not_negative('beta', beta)
    check_not_negative('gamma', gamma)
    check_scope(batch)

    student, teacher = student_and_teacher(logits_student, logits_teacher)
    s = F.softmax(student / temperature, dim=1)
    t = F.softmax(teacher / temperature, dim=1)
    least = torch.finfo(s.dtype).eps
    if logits_student.dtype == torch.float16:  # whose gradients end at 65504
        least = torch.finfo(torch.float16).eps
    inter_class = 1 - _pearson(s, t, dim=1, least=least)
    all_s, all_t = gathered(s, batch), gathered(t, batch)
    intra_class = 1 - _pearson(all_s, all_t, dim=0, least=least).mean()
    relations = beta * inter_class + gamma * intra_class
    return reduce_loss(temperature**2 * relations, reduction)


def _pearson(s: Tensor, t: Tensor, *, dim: int, least: float) -> Tensor:
    # `least`: the variation, as a share of s, from which on it is one.
    # Taking the first value off changes no correlation, and leaves exact zeros
    # of a uniform student (a head that starts at 0): it has a correlation of 0
    # and no gradient. A mean that rounds would leave gradients of up to 1e8.
    a = s - s.narrow(dim, 0, 1).detach()
    a = a - a.mean(dim=dim, keepdim=True)
    b = t - t.mean(dim=dim, keepdim=True)
    norms = torch.linalg.vector_norm(a, dim=dim)
    varies = ~(norms <= least * torch.linalg.vector_norm(s, dim=dim))  # or NaN
    norms = norms * torch.linalg.vector_norm(b, dim=dim)
    # 1e-8 as in the authors' code: it makes the correlation of what hardly
    # varies (a class without probability in the whole batch) 0.
    correlation = (a * b).sum(dim=dim) / (norms + 1e-8)
    return torch.where(varies, correlation, torch.zeros_like(correlation))
