"""USKD as a module, with the weak head that it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from mmengine.registry import MODELS
from torch import Tensor, nn

from .. import functional as F
from ..checks import check_count, check_not_negative
from ..features import as_map, as_vector, channels_of, check_declared, patches
from .base import DistillLoss

__all__ = ['USKDLoss']


@MODELS.register_module()
class USKDLoss(DistillLoss):
    """Distil a student from itself by universal self-KD (USKD).

    See :func:`mmnkd.functional.uskd_loss` for the equation. The weak head is
    a linear layer on a feature from the student's middle: for CNNs and Swin
    the pooled output of the stage before the last, for ViT the class token
    after half of the blocks. The paper has alpha = 1, beta = 0.1, mu = 0.005
    on ImageNet, and 0.1 for each on CIFAR-100.

    Args:
        student_taps: ``'logits'`` and the sub-module in the middle.
        in_channels: Channels of the feature; None to measure.
        num_classes: Classes of the student; None to measure.
        alpha: Weight of the target term.
        beta: Weight of the non-target term.
        mu: Weight of the weak head's own loss.
        norm: Normalise the feature by a LayerNorm first, as Swin does with
            the output of a stage.
        **kwargs: See :class:`DistillLoss`.

    Raises:
        ValueError, TypeError: The taps aren't two, a count isn't one, or as
            :class:`DistillLoss`.
    """

    teacher_taps = None

    def __init__(
        self,
        *,
        student_taps: Sequence[str],
        in_channels: Optional[int] = None,
        num_classes: Optional[int] = None,
        alpha: float = 1.0,
        beta: float = 0.1,
        mu: float = 0.005,
        norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(student_taps=student_taps, **kwargs)
        if isinstance(student_taps, str) or len(student_taps) != 2:
            raise ValueError(
                "Expected `student_taps` of USKD to be ['logits', a "
                "sub-module in the student's middle], but got "
                f'{student_taps!r}.'
            )
        check_count('in_channels', in_channels)
        check_count('num_classes', num_classes)
        for name, weight in (('alpha', alpha), ('beta', beta), ('mu', mu)):
            check_not_negative(name, weight)
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.alpha = alpha
        self.beta = beta
        self.mu = mu
        self.norm = norm
        if in_channels and num_classes:
            self.build(in_channels, num_classes)

    @property
    def needs_dry_run(self) -> bool:
        """Tell whether :meth:`measure` is still to be called."""
        return not (self.in_channels and self.num_classes)

    def measure(self, student: tuple[Tensor, Any], teacher: None) -> None:
        """Read the channels off the outputs of a dry run, and build."""
        logits, middle = student
        self.in_channels = self.in_channels or channels_of(middle)
        self.num_classes = self.num_classes or logits.shape[1]
        self.build(self.in_channels, self.num_classes)

    def build(self, in_channels: int, num_classes: int) -> None:
        """Make the weak head."""
        if self.norm:
            self.pre_norm = nn.LayerNorm(in_channels)
        self.weak_head = nn.Linear(in_channels, num_classes)

    def forward(
        self, student: tuple[Tensor, Any], teacher: None, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms, logged as `target`, `nontarget` and `weak`."""
        logits, middle = student
        check_declared('num_classes', self.weak_head.out_features, logits)
        feature = as_map(middle) if self.norm else as_vector(middle)
        check_declared('in_channels', self.weak_head.in_features, feature)
        if self.norm:
            feature = self.pre_norm(patches(feature)).mean(dim=1)
        terms = F.uskd_terms(
            logits,
            self.weak_head(feature),
            target,
            alpha=self.alpha,
            beta=self.beta,
            mu=self.mu,
        )
        return self.weighted(zip(('target', 'nontarget', 'weak'), terms))
