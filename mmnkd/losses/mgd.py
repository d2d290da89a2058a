"""Masked generative distillation (MGD)."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..functional.checks import check_not_negative, check_share
from .base import FeatureLoss
from .features import check_same_grid, generator, squared_error


@MODELS.register_module()
class MGDLoss(FeatureLoss):
    r"""Let the student generate the teacher's features from masked ones (MGD).

    .. math::
        L = \alpha \sum_{c,h,w} (f^T - G(M \odot A(f^S)))^2

    with :math:`A` a 1x1 convolution to the teacher's channels (none where
    they are equal), :math:`M` a random mask of whole channels, and :math:`G`
    two 3x3 convolutions with a ReLU between them.

    Args:
        alpha: :math:`\alpha`; the NKD paper compares with 7e-5 on ImageNet,
            and 0.0012 on CIFAR-100.
        mask_ratio: Share of the channels that are masked, in [0, 1).
        **kwargs: See :class:`FeatureLoss`.

    Reference:
        Yang et al., "Masked Generative Distillation", ECCV 2022,
        arXiv 2205.01529.
    """

    def __init__(
        self, *, alpha: float = 7e-5, mask_ratio: float = 0.15, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_not_negative('alpha', alpha)
        check_share('mask_ratio', mask_ratio)
        self.alpha = alpha
        self.mask_ratio = mask_ratio

    def build(self) -> None:
        """Make the projection and the generator."""
        self.align: nn.Module = nn.Identity()
        if self.student_channels != self.teacher_channels:
            self.align = nn.Conv2d(
                self.student_channels, self.teacher_channels, 1
            )
        self.generation = generator(self.teacher_channels)

    def forward(self, student: Any, teacher: Any, target: Any) -> Tensor:
        """Return the loss; `target` is not used."""
        student, teacher = self.maps(student, teacher)
        check_same_grid(student, teacher)
        aligned = self.align(student)
        noise = torch.rand(*aligned.shape[:2], 1, 1, device=aligned.device)
        generated = self.generation(aligned * (noise >= self.mask_ratio))
        error = squared_error(generated, teacher)
        return self.loss_weight * self.reduce(self.alpha * error)
