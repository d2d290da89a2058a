"""MobileNetV1: a student of the paper for which mmpretrain has no backbone."""

from __future__ import annotations

from typing import Optional, Sequence, Union

from mmcv.cnn import build_norm_layer
from mmengine.registry import MODELS
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.models.utils import make_divisible
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# (channels, stride) of the depthwise separable blocks, at width 1.
_STRIDE_16 = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
_STRIDE_16 += [(512, 1)] * 5
_STRIDE_32 = [(1024, 2), (1024, 1)]


@MODELS.register_module()
class MobileNetV1(BaseBackbone):
    """MobileNetV1 backbone.

    The sub-modules are called ``model`` (up to stride 16) and ``s4`` (stride
    32), as in the weights that the authors of NKD released.

    Args:
        widen_factor: Factor of all numbers of channels, which are rounded to
            multiples of 8.
        out_indices: Which feature maps to return: 0 is the (N, 512, H/16,
            W/16) output of ``model``, 1 the (N, 1024, H/32, W/32) one of
            ``s4``, at width 1.
        frozen_stages: -1 freezes nothing, 0 ``model``, 1 ``model`` and ``s4``.
        norm_cfg: Config of the normalization layers.
        norm_eval: Keep BN layers in eval mode, with fixed statistics.
        init_cfg: Initialization, see ``mmengine.model.BaseModule``.

    Raises:
        ValueError: An index or `frozen_stages` is out of range.

    Reference:
        Howard et al., "MobileNets: Efficient Convolutional Neural Networks for
        Mobile Vision Applications", arXiv 1704.04861.
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        out_indices: Sequence[int] = (1,),
        frozen_stages: int = -1,
        norm_cfg: Optional[dict] = None,
        norm_eval: bool = False,
        init_cfg: Union[dict, Sequence[dict], None] = (
            {'type': 'Kaiming', 'layer': ['Conv2d']},
            {'type': 'Constant', 'val': 1, 'layer': ['_BatchNorm']},
        ),
    ) -> None:
        super().__init__(
            list(init_cfg) if isinstance(init_cfg, tuple) else init_cfg
        )
        if not set(out_indices) <= {0, 1}:
            raise ValueError(
                f'Expected `out_indices` among (0, 1), but got {out_indices}.'
            )
        if frozen_stages not in (-1, 0, 1):
            raise ValueError(
                'Expected `frozen_stages` to be -1, 0 or 1, but got '
                f'{frozen_stages}.'
            )
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_cfg = norm_cfg or {'type': 'BN'}
        self.norm_eval = norm_eval

        def width(channels: int) -> int:
            return make_divisible(channels * widen_factor, 8)

        before = width(32)
        layers = [nn.Sequential(*self._convolution(3, before, 3, stride=2))]
        for channels, stride in _STRIDE_16 + _STRIDE_32:
            layers.append(
                nn.Sequential(  # depthwise, pointwise
                    *self._convolution(before, before, 3, stride, before),
                    *self._convolution(before, width(channels), 1),
                )
            )
            before = width(channels)
        split = 1 + len(_STRIDE_16)
        self.model = nn.Sequential(*layers[:split])
        self.s4 = nn.Sequential(*layers[split:])
        self._freeze_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of `out_indices`, from fine to coarse.

        Args:
            x: (N, 3, H, W) images.
        """
        maps = [self.model(x)]
        if 1 in self.out_indices:
            maps.append(self.s4(maps[0]))
        return tuple(maps[index] for index in sorted(self.out_indices))

    def train(self, mode: bool = True) -> MobileNetV1:
        """Set the mode, but for what is frozen."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        for stage in (self.model, self.s4)[: self.frozen_stages + 1]:
            stage.eval().requires_grad_(False)

    def _convolution(
        self,
        before: int,
        channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
    ) -> list[nn.Module]:
        sizes = before, channels, kernel, stride, kernel // 2
        convolution = nn.Conv2d(*sizes, groups=groups, bias=False)
        _, norm = build_norm_layer(self.norm_cfg, channels)
        return [convolution, norm, nn.ReLU(inplace=True)]
