"""Students with a class head and a second head that a teacher teaches.

mmpretrain has their architectures, but trains DeiT's on the average of both
heads, and raises for the others. Here the student's own loss is that of the
class head; a distillation loss reads the second one by a tap. In eval mode the
output is the average, as in mmpretrain, and the names in the state_dict are
mmpretrain's.
"""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from mmpretrain.models.heads import (
    ClsHead,
    DeiTClsHead,
    EfficientFormerClsHead,
    LeViTClsHead,
)
from torch import Tensor


@MODELS.register_module()
class TwoHeadedDeiTHead(DeiTClsHead):
    """Train both heads of DeiT's distilled vision transformer.

    Its tap is ``student_taps='head.layers.head_dist'``.

    Args:
        **kwargs: See ``mmpretrain.models.heads.DeiTClsHead``.
    """

    second_head = 'layers.head_dist'

    def forward(self, feats: tuple) -> Tensor:
        """Return logits, those of the class head in training.

        Args:
            feats: Outputs of the backbone, of which the last is a list with
                class and distillation token.

        Raises:
            ValueError: There is one token only.
        """
        if not isinstance(feats[-1], (list, tuple)):
            raise ValueError(
                'Expected a class and a distillation token from the '
                'backbone, as DistilledVisionTransformer puts out, but got '
                f'{type(feats[-1]).__name__}.'
            )
        cls_token, dist_token = self.pre_logits(feats)
        logits = self.layers.head(cls_token)
        return _joined(self, logits, self.layers.head_dist(dist_token))


class _TwoHeads(ClsHead):
    second_head: str

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not kwargs.get('distillation', True):
            raise ValueError(
                f'Expected `distillation=True` of {type(self).__name__}, '
                f'which trains two heads, but got {kwargs["distillation"]}. '
                f'For one head take {type(self).__mro__[2].__name__}.'
            )

    def forward(self, feats: tuple) -> Tensor:
        """Return logits, those of the class head in training."""
        x = self.pre_logits(feats)
        return _joined(self, self.head(x), getattr(self, self.second_head)(x))

    loss = ClsHead.loss  # EfficientFormer's raises


@MODELS.register_module()
class TwoHeadedLeViTHead(_TwoHeads, LeViTClsHead):
    """Train both heads of LeViT.

    Its tap is ``student_taps='head.head_dist'``.

    Args:
        **kwargs: See ``mmpretrain.models.heads.LeViTClsHead``.

    Raises:
        ValueError: `distillation` is off.
    """

    second_head = 'head_dist'


@MODELS.register_module()
class TwoHeadedEfficientFormerHead(_TwoHeads, EfficientFormerClsHead):
    """Train both heads of EfficientFormer.

    Its tap is ``student_taps='head.dist_head'``.

    Args:
        **kwargs: See ``mmpretrain.models.heads.EfficientFormerClsHead``.

    Raises:
        ValueError: `distillation` is off.
    """

    second_head = 'dist_head'


def _joined(head: ClsHead, logits: Tensor, second: Tensor) -> Tensor:
    return logits if head.training else (logits + second) / 2
