"""Teacher-free NKD (tf-NKD)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_logits, check_target
from .ranks import check_scope, summed
from .tensors import at_least_float32, finite, labels_of, reduce_loss


def tf_nkd_loss(
    logits_student: Tensor,
    target: Tensor,
    *,
    batch: str = 'local',
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the teacher-free NKD (tf-NKD) loss.

    .. math::
        L = - w \log S_t, \qquad
        w = \mathrm{stop\_grad}(S_t + V_t - \mathrm{mean}_{batch}(S_t))

    with :math:`S` the student's softmax and :math:`V_t` the label value (1
    for a class index). Of a mixed label the two largest entries count, each a
    term with a batch mean of its own; an entry of 0 adds nothing, neither to
    the loss nor to the mean. (The authors' code averages a sample without a
    second label into the second mean, with a class of no meaning: where a
    sample is mixed with one of its own class, the values differ.) It is added
    to the student's own loss.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        target: (N,) class indices, or (N, C) scores of mixed labels.
        batch: What the batch mean is over: 'local' for the samples of this
            process, as in the authors' code, or 'global' for those of all,
            where :mod:`torch.distributed` is initialized.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where the logits are float64.

    Raises:
        TypeError, ValueError: As :func:`nkd_loss`.

    Reference:
        Yang et al., "Rethinking Knowledge Distillation via Cross-Entropy",
        arXiv 2208.10139.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
        >>> loss = tf_nkd_loss(student, torch.tensor([0, 1]))
        >>> print(f'{loss:.4f}')
        0.2781
    """
    check_logits('logits_student', logits_student)
    check_target(target, logits_student)
    check_scope(batch)

    log_probs = F.log_softmax(at_least_float32(logits_student), dim=1)
    value, index = labels_of(target, log_probs.dtype)
    log_s = log_probs.gather(1, index)
    return reduce_loss(own_target_term(log_s, value, 1, batch), reduction)


def own_target_term(
    log_s: Tensor, value: Tensor, exponent: int, batch: str
) -> Tensor:
    r"""Compute a target term whose soft target is the student's own.

    .. math::
        -\sum_k w_k \log S_{t_k}, \qquad w_k = \mathrm{stop\_grad}(
        S_{t_k}^e + V_k - \mathrm{mean}_{batch}(S_{t_k}^e))

    with `log_s` (N, K) of each sample's labels, their `value` :math:`V`
    (N, K), where 0 is no label, and :math:`e` = 1 in tf-NKD and 2 in USKD.
    """
    # What is no label may be a class at -inf.
    log_s = finite(log_s)
    s = (exponent * log_s.detach()).exp()
    labelled = (value > 0).to(s.dtype)
    sums = torch.stack([(s * labelled).sum(dim=0), labelled.sum(dim=0)])
    total, count = summed(sums, batch)
    batch_mean = total / count.clamp(min=1)
    weight = (s + value - batch_mean) * labelled
    return -(weight * log_s).sum(dim=1)
