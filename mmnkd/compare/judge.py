"""What one network's predictions are worth, alone and beside a teacher's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..metrics import fidelity

__all__ = ['Agreement', 'Judgment', 'agreement', 'judge']

BINS = 15  # of confidence, as Guo et al. (arXiv 1706.04599) took
RANKS = 20  # non-target classes that are shown, the most probable first
QUANTILES = 101


@dataclass(frozen=True)
class Judgment:
    """Hold what the predictions of one network say.

    Attributes:
        accuracy: Share of images, 0 to 1.
        per_class: (C,) accuracy on the images of each class, NaN for none.
        confusion: (C, C) share of the images of class i that it takes for j.
        ece: Expected calibration error, 0 to 1.
        confidence: (BINS,) mean of the top probability in each bin, NaN where
            it is empty.
        bin_accuracy: (BINS,) accuracy in each.
        bin_share: (BINS,) share of the images in each.
        target: (QUANTILES,) quantiles of the target's probability.
        nontarget: (min(RANKS, C - 1),) mean probabilities of the non-target
            classes among themselves, sorted; they sum to 1 over all ranks.
    """

    accuracy: float
    per_class: Tensor
    confusion: Tensor
    ece: float
    confidence: Tensor
    bin_accuracy: Tensor
    bin_share: Tensor
    target: Tensor
    nontarget: Tensor


@dataclass(frozen=True)
class Agreement:
    """Hold how close a student is to its teacher, shares from 0 to 1.

    Attributes:
        top1: Images with the same prediction.
        divergence: Mean Kullback-Leibler divergence of the student from the
            teacher, in nats.
        nkd_target: Mean of NKD's target term.
        nkd_nontarget: Mean of its non-target term, with the usual gamma.
        where_right: The student's accuracy where the teacher is right.
        where_wrong: And where it is wrong; NaN if it never is.
    """

    top1: float
    divergence: float
    nkd_target: float
    nkd_nontarget: float
    where_right: float
    where_wrong: float


def judge(log_p: Tensor, target: Tensor) -> Judgment:
    """Judge (N, C) log-probabilities by (N,) labels."""
    from torchmetrics.functional.classification import (
        multiclass_calibration_error,
        multiclass_confusion_matrix,
    )

    classes = log_p.shape[1]
    top, predicted = log_p.max(dim=1)
    right = (predicted == target).double()
    counts = multiclass_confusion_matrix(predicted, target, classes).double()
    confusion = counts / counts.sum(dim=1, keepdim=True)
    ece = multiclass_calibration_error(
        log_p.exp(), target, classes, n_bins=BINS, norm='l1'
    )
    confidence = top.exp().double()
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.double)[1:-1]
    bins = torch.bucketize(confidence, edges)
    images = bins.bincount(minlength=BINS)
    of_target = log_p.gather(1, target[:, None]).exp().flatten().sort().values
    places = torch.linspace(0, len(of_target) - 1, QUANTILES).round().long()
    others = log_p.scatter(1, target[:, None], -torch.inf).softmax(dim=1)
    ranks = min(RANKS, classes - 1)
    return Judgment(
        accuracy=float(right.mean()),
        per_class=confusion.diagonal(),
        confusion=confusion,
        ece=float(ece),
        confidence=bins.bincount(confidence, minlength=BINS) / images,
        bin_accuracy=bins.bincount(right, minlength=BINS) / images,
        bin_share=images / len(target),
        target=of_target[places],
        # Normalized as NKD does.
        nontarget=others.topk(ranks, dim=1).values.mean(dim=0),
    )


def agreement(log_p: Tensor, log_teacher: Tensor, target: Tensor) -> Agreement:
    """Compare a student with its teacher on the same images."""
    rows = fidelity(log_p, log_teacher, target)
    sure = rows['teacher_right'] == 1
    return Agreement(
        top1=float(rows['agree'].mean()),
        divergence=float(rows['kl'].mean()),
        nkd_target=float(rows['nkd_target'].mean()),
        nkd_nontarget=float(rows['nkd_nontarget'].mean()),
        where_right=float(rows['student_right'][sure].mean()),
        where_wrong=float(rows['student_right'][~sure].mean()),
    )
