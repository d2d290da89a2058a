"""The thin ResNet-18 from EfficientNet-Lite0 with KD (arXiv 1503.02531) on Imagenette.

    python tools/train.py configs/imagenette/kd_efficientnet-lite0_resnet18-w16_1xb64_imagenette.py

The values are those that arXiv 2208.10139 compares with on ImageNet-1k. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/efficientnet-lite0_resnet18-w16_imagenette.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        kd=dict(type='KDLoss', temperature=1.0, loss_weight=0.5),
    ),
)
