"""The cosine between projected features."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..functional.tensors import at_least_float32
from .base import FeatureLoss
from .features import as_vector, check_declared


@MODELS.register_module()
class FeatureCosineLoss(FeatureLoss):
    r"""Turn the student's features to those of a teacher without classes.

    .. math::
        L = 1 - \cos(P \bar f^S, \bar f^T)

    with :math:`\bar f` the features pooled to one vector an image, the class
    token where there is one, else the mean, and :math:`P` a linear projection
    to the teacher's channels. Neither needs classes or labels, so a teacher
    may be self-supervised (DINOv2, MAE) or from CLIP.

    Args:
        student_taps: The student's features, such as ``'backbone.layer4'``.
        teacher_taps: The teacher's, such as ``'backbone'``.
        **kwargs: See :class:`FeatureLoss`.
    """

    def __init__(
        self, *, student_taps: str, teacher_taps: str, **kwargs: Any
    ) -> None:
        super().__init__(
            student_taps=student_taps, teacher_taps=teacher_taps, **kwargs
        )

    def build(self) -> None:
        """Make the projection."""
        self.projection = nn.Linear(
            self.student_channels, self.teacher_channels
        )

    def forward(self, student: Any, teacher: Any, target: Any) -> Tensor:
        """Return the loss; `target` is not used."""
        wanted = as_vector(teacher, self.teacher_channels)
        features = as_vector(student, self.student_channels)
        check_declared('student_channels', self.student_channels, features)
        check_declared('teacher_channels', self.teacher_channels, wanted)
        projected = at_least_float32(self.projection(features))
        wanted = at_least_float32(wanted.detach())
        cosine = F.cosine_similarity(projected, wanted, dim=1)
        return self.loss_weight * self.reduce(1 - cosine)
