"""USKD as a module, with the weak head that it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from mmengine.registry import MODELS
from torch import Tensor, nn

from .. import functional as F
from ..functional.checks import check_flag, check_not_negative
from ..functional.ranks import check_scope
from .base import MeasuredLoss
from .features import as_map, as_vector, channels_of, check_declared, patches


@MODELS.register_module()
class USKDLoss(MeasuredLoss):
    """Distill a student from itself by universal self-KD (USKD).

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
        norm: Normalize each patch by a LayerNorm before the mean, as Swin
            does with the output of a stage (a class token has no part).
        batch: What the batch means are over, see :class:`TFNKDLoss`.
        **kwargs: See :class:`DistillLoss`.

    Raises:
        ValueError, TypeError: The taps aren't two, a count isn't one, or as
            :class:`MeasuredLoss`.
    """

    teacher_taps = None
    in_channels: int
    num_classes: int

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
        batch: str = 'local',
        **kwargs: Any,
    ) -> None:
        if isinstance(student_taps, str) or len(student_taps) != 2:
            raise ValueError(
                "Expected `student_taps` of USKD to be ['logits', a "
                "sub-module in the student's middle], but got "
                f'{student_taps!r}.'
            )
        check_flag('norm', norm)
        self.norm = norm  # build() reads it
        super().__init__(
            {'in_channels': in_channels, 'num_classes': num_classes},
            student_taps=student_taps,
            **kwargs,
        )
        for name, weight in (('alpha', alpha), ('beta', beta), ('mu', mu)):
            check_not_negative(name, weight)
        self.alpha = alpha
        self.beta = beta
        self.mu = mu
        check_scope(batch)
        self.batch = batch

    def sizes(self, student: tuple[Tensor, Any], teacher: None) -> dict:
        """Return the channels of the middle and the classes."""
        logits, middle = student
        return {
            'in_channels': channels_of(middle),
            'num_classes': logits.shape[1],
        }

    def build(self) -> None:
        """Make the weak head."""
        self.pre_norm: nn.Module = nn.Identity()
        if self.norm:
            self.pre_norm = nn.LayerNorm(self.in_channels)
        self.weak_head = nn.Linear(self.in_channels, self.num_classes)

    def forward(
        self, student: tuple[Tensor, Any], teacher: None, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms, logged as `target`, `nontarget` and `weak`."""
        logits, middle = student
        check_declared('num_classes', self.num_classes, logits)
        get = as_map if self.norm else as_vector
        feature = get(middle, self.in_channels)
        check_declared('in_channels', self.in_channels, feature)
        if self.norm:
            feature = self.pre_norm(patches(feature)).mean(dim=1)
        terms = F.uskd_terms(
            logits,
            self.weak_head(feature),
            target,
            alpha=self.alpha,
            beta=self.beta,
            mu=self.mu,
            batch=self.batch,
        )
        return self.weighted(zip(('target', 'nontarget', 'weak'), terms))
