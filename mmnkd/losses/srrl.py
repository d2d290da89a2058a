"""Softmax regression representation learning (SRRL)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..functional.checks import check_not_negative
from .base import FeatureLoss
from .features import squared_error


@MODELS.register_module()
class SRRLLoss(FeatureLoss):
    r"""Let the teacher's classifier judge the student's features (SRRL).

    .. math::
        L = \alpha \, \mathrm{mean}_c (\bar f^S - \bar f^T)^2
            + \beta \, \mathrm{mean}_i (h^T(\bar f^S) - z^T)^2

    with :math:`\bar f^S` the student's features after a 1x1 convolution to
    the teacher's channels, BN and ReLU, averaged over the map,
    :math:`\bar f^T` the teacher's, averaged, :math:`h^T` the teacher's linear
    classifier and :math:`z^T` what it puts out for the teacher.

    Args:
        student_taps: The student's last features, before the pooling.
        teacher_taps: The teacher's.
        teacher_head: The teacher's linear classifier.
        alpha: Weight of the features; the NKD paper compares with 1.
        beta: Weight of the logits; 1 on ImageNet, 5 on CIFAR-100.
        **kwargs: See :class:`FeatureLoss`.

    Reference:
        Yang et al., "Knowledge Distillation via Softmax Regression
        Representation Learning", ICLR 2021.
    """

    def __init__(
        self,
        *,
        student_taps: str,
        teacher_taps: str,
        teacher_head: str = 'head.fc',
        alpha: float = 1.0,
        beta: float = 1.0,
        **kwargs: Any,
    ) -> None:
        head = [teacher_head, f'{teacher_head}.weight', f'{teacher_head}.bias']
        super().__init__(
            student_taps=student_taps,
            teacher_taps=(teacher_taps, *head),
            **kwargs,
        )
        check_not_negative('alpha', alpha)
        check_not_negative('beta', beta)
        self.alpha = alpha
        self.beta = beta

    def build(self) -> None:
        """Make the connector."""
        convolution = nn.Conv2d(
            self.student_channels, self.teacher_channels, 1, bias=False
        )
        nn.init.kaiming_normal_(convolution.weight, mode='fan_out')
        self.connector = nn.Sequential(
            convolution, nn.BatchNorm2d(self.teacher_channels), nn.ReLU()
        )

    def forward(
        self, student: Any, teacher: tuple, target: Any
    ) -> dict[str, Tensor]:
        """Return the terms, logged as `features` and `logits`."""
        features_teacher, logits_teacher, weight, bias = teacher
        features, wanted = self.maps(student, features_teacher)
        aligned = self.connector(features).mean(dim=(2, 3))
        wanted = wanted.mean(dim=(2, 3))
        logits = F.linear(aligned, weight, bias)
        return self.weighted(
            {
                'features': self.alpha * _mse(aligned, wanted),
                'logits': self.beta * _mse(logits, logits_teacher),
            }
        )


def _mse(a: Tensor, b: Tensor) -> Tensor:
    """Return (N,) mean squared errors."""
    return squared_error(a, b) / a[0].numel()
