"""The thin ResNet-18 from EfficientNet-Lite0 with NKD (arXiv 2208.10139) on Imagenette.

    python tools/train.py configs/imagenette/nkd_efficientnet-lite0_resnet18-w16_1xb64_imagenette.py

The values are the paper's for ImageNet-1k. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/efficientnet-lite0_resnet18-w16_imagenette.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
