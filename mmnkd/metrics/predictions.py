"""What metrics read of a classifier's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def scores_and_labels(
    samples: Sequence[Mapping[str, Any]],
) -> tuple[Tensor, Tensor]:
    """Return (N, C) probabilities and (N,) labels of predicted samples.

    Args:
        samples: With ``pred_score`` (C,) and ``gt_label`` (1,) each, as an
            evaluator hands them on.

    Raises:
        ValueError: Either is missing, a sample has several labels, or the
            scores aren't probabilities.
    """
    first = samples[0]
    missing = [k for k in ('pred_score', 'gt_label') if k not in first]
    if missing:
        raise ValueError(
            f'Expected samples with pred_score and gt_label, but {missing} '
            'is missing. This metric is for classifiers whose data has '
            'labels.'
        )
    labels = [sample['gt_label'].reshape(-1) for sample in samples]
    several = max(map(len, labels))
    if several > 1:
        raise ValueError(
            f'Expected one label a sample, but got {several}. This metric is '
            'for single-label classification.'
        )
    scores = torch.stack([sample['pred_score'] for sample in samples]).float()
    low, high = map(float, scores.sum(dim=1).aminmax())
    if not (0.98 < low <= high < 1.02):
        raise ValueError(
            'Expected pred_score to be probabilities that sum to 1, but got '
            f'sums from {low:.3g} to {high:.3g}. This metric is for heads '
            'that end in a softmax.'
        )
    return scores, torch.cat(labels).to(scores.device)
