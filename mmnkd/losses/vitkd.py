"""Feature distillation for vision transformers (ViTKD)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..functional.checks import check_not_negative, check_positive, check_share
from .base import FeatureLoss
from .features import check_same_grid, generator, patches, squared_error

# The first two blocks and the normalized last one of mmpretrain's ViT, DeiT
# and DeiT III.
VIT_TAPS = ('backbone.layers.0', 'backbone.layers.1', 'backbone.ln1')


@MODELS.register_module()
class ViTKDLoss(FeatureLoss):
    r"""Mimic a transformer's first layers and generate its last (ViTKD).

    .. math::
        L = \alpha \sum_{l} \| A_l(f^S_l) - f^T_l \|^2
            + \frac{\beta}{\lambda} \| M \odot (G(f^S) - f^T) \|^2

    over the patch tokens of the low layers :math:`l`, and of the last layer,
    in which a random share :math:`\lambda` of the student's (projected)
    tokens, :math:`M`, is replaced by a learned one before :math:`G`, two 3x3
    convolutions with a ReLU between them. The class token has no part.

    Args:
        student_taps: The low layers, then the last; by default as in the
            paper, for mmpretrain's VisionTransformer and DeiT3.
        teacher_taps: Those of the teacher.
        alpha: Weight of the low layers.
        beta: Weight of the last layer.
        mask_ratio: :math:`\lambda`, in (0, 1).
        **kwargs: See :class:`FeatureLoss`.

    Raises:
        ValueError, TypeError: There aren't as many taps of the teacher as of
            the student, two or more, or as :class:`FeatureLoss`.

    Reference:
        Yang et al., "ViTKD: Practical Guidelines for ViT Feature Knowledge
        Distillation", arXiv 2209.02432.
    """

    def __init__(
        self,
        *,
        student_taps: Sequence[str] = VIT_TAPS,
        teacher_taps: Sequence[str] = VIT_TAPS,
        alpha: float = 3e-5,
        beta: float = 3e-6,
        mask_ratio: float = 0.5,
        **kwargs: Any,
    ) -> None:
        if (
            isinstance(student_taps, str)
            or isinstance(teacher_taps, str)
            or not 2 <= len(student_taps) == len(teacher_taps)
        ):
            raise ValueError(
                'Expected `student_taps` and `teacher_taps` of ViTKD to be '
                'lists of one length, the low layers and then the last, but '
                f'got {student_taps!r} and {teacher_taps!r}.'
            )
        super().__init__(
            student_taps=student_taps, teacher_taps=teacher_taps, **kwargs
        )
        check_not_negative('alpha', alpha)
        check_not_negative('beta', beta)
        check_share('mask_ratio', mask_ratio)
        check_positive('mask_ratio', mask_ratio)
        self.alpha = alpha
        self.beta = beta
        self.mask_ratio = mask_ratio

    def build(self) -> None:
        """Make the projections, the learned token and the generator."""

        def align() -> nn.Module:
            if self.student_channels == self.teacher_channels:
                return nn.Identity()
            return nn.Linear(self.student_channels, self.teacher_channels)

        low_layers = len(self.student_taps) - 1
        self.align_low = nn.ModuleList(align() for _ in range(low_layers))
        self.align_high = align()
        token = torch.zeros(1, 1, self.teacher_channels)
        self.mask_token = nn.Parameter(token)
        self.generation = generator(self.teacher_channels)

    def forward(
        self, student: tuple, teacher: tuple, target: Any
    ) -> dict[str, Tensor]:
        """Return the terms, logged as `mimicking` and `generation`."""
        pairs = [self.maps(s, t) for s, t in zip(student, teacher)]
        for s, t in pairs:
            check_same_grid(s, t)
        *low, (high_s, high_t) = pairs
        noise = torch.rand(
            len(high_s), high_s[0, 0].numel(), device=high_s.device
        )
        return self.weighted(
            {
                'mimicking': self.mimicking(low),
                'generation': self.generated(high_s, high_t, noise),
            }
        )

    def mimicking(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Compute the term of the low layers.

        Args:
            pairs: (N, C, H, W) features of student and teacher, by layer.

        Returns:
            (N,).
        """
        errors = [
            squared_error(align(patches(s)), patches(t))
            for align, (s, t) in zip(self.align_low, pairs)
        ]
        return self.alpha * torch.stack(errors).sum(dim=0)

    def generated(
        self, student: Tensor, teacher: Tensor, noise: Tensor
    ) -> Tensor:
        """Compute the term of the last layer.

        Args:
            student: (N, C, H, W) features.
            teacher: Likewise.
            noise: (N, H * W) numbers; the patches of the largest are masked.

        Returns:
            (N,).
        """
        tokens = self.align_high(patches(student))
        kept = int(noise.shape[1] * (1 - self.mask_ratio))
        rank = noise.argsort(dim=1).argsort(dim=1)
        masked = (rank >= kept).unsqueeze(2)  # (N, H * W, 1)
        tokens = torch.where(masked, self.mask_token.to(tokens), tokens)
        grid = tokens.transpose(1, 2).unflatten(2, student.shape[2:])
        error = squared_error(
            patches(self.generation(grid)) * masked, patches(teacher) * masked
        )
        return self.beta / self.mask_ratio * error
