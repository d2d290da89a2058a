"""Whether a classifier is as often right as it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from ..registry import require
from .predictions import scores_and_labels

__all__ = ['CalibrationError']

_NORMS = ('l1', 'l2', 'max')


@METRICS.register_module()
class CalibrationError(BaseMetric):
    r"""Measure the calibration error of the top-1 prediction.

    Predictions are put into bins by their confidence, the probability of the
    predicted class. With :math:`b_i` the share of samples in bin :math:`i`,
    :math:`c_i` their mean confidence and :math:`a_i` their accuracy, it is
    :math:`\sum_i b_i |c_i - a_i|` for 'l1' (ECE), :math:`(\sum_i b_i
    (c_i - a_i)^2)^{1/2}` for 'l2' and :math:`\max_i |c_i - a_i|` for 'max'.

    It gives ``calibration/ece`` (of other norms ``l2`` or ``max``) and
    ``calibration/confidence``, the mean confidence, both from 0 to 1. A
    confidence above the accuracy means that the classifier is too sure.

    Args:
        bins: Number of bins of equal width.
        norm: 'l1', 'l2' or 'max'.
        **kwargs: See ``mmengine.evaluator.BaseMetric``.

    Raises:
        ImportError: torchmetrics is missing.
        ValueError: A setting is wrong; in the first batch also where the
            predictions aren't single-label probabilities.

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
        arXiv 1706.04599.
    """

    default_prefix = 'calibration'

    def __init__(
        self,
        bins: int = 15,
        norm: Literal['l1', 'l2', 'max'] = 'l1',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require('report', 'CalibrationError', 'torchmetrics')
        if type(bins) is not int or bins < 1:
            raise ValueError(
                f'Expected `bins` to be a positive int, but got {bins!r}.'
            )
        if norm not in _NORMS:
            raise ValueError(
                f'Expected `norm` to be one of {_NORMS}, but got {norm!r}.'
            )
        self.bins = bins
        self.norm = norm

    def process(
        self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep the confidence of one batch, and where it is right.

        Args:
            data_batch: Not used.
            data_samples: The classifier's predictions.
        """
        scores, target = scores_and_labels(data_samples)
        confidence, predicted = scores.max(dim=1)
        right = predicted == target
        self.results.extend(zip(confidence.tolist(), right.tolist()))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the error and the mean confidence.

        Args:
            results: Confidence and whether it is right, of each sample.
        """
        from torchmetrics.functional.classification import (
            binary_calibration_error,
        )

        confidence, right = map(torch.tensor, zip(*results))
        # That of a classifier is the binary one of its confidence.
        error = binary_calibration_error(
            confidence.clamp(max=1.0),
            right.long(),
            n_bins=self.bins,
            norm=self.norm,
        )
        name = 'ece' if self.norm == 'l1' else self.norm
        return {name: error.item(), 'confidence': confidence.mean().item()}
