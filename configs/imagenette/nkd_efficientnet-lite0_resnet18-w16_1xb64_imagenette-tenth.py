"""The thin ResNet-18 with NKD (arXiv 2208.10139) on every tenth image of Imagenette.

    python tools/train.py configs/imagenette/nkd_efficientnet-lite0_resnet18-w16_1xb64_imagenette-tenth.py

The values are the paper's for ImageNet-1k. No number of the paper is known. Ours: docs/results.md
"""

_base_ = './nkd_efficientnet-lite0_resnet18-w16_1xb64_imagenette.py'
train_dataloader = dict(
    dataset=dict(dataset=dict(indices=list(range(0, 9469, 10))))
)
train_cfg = dict(max_epochs=100, val_interval=5)
param_scheduler = dict(T_max=100)
