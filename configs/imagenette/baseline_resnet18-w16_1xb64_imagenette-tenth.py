"""The thin ResNet-18 on every tenth image of Imagenette, without distillation.

    python tools/train.py configs/imagenette/baseline_resnet18-w16_1xb64_imagenette-tenth.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = './baseline_resnet18-w16_1xb64_imagenette.py'
train_dataloader = dict(
    dataset=dict(dataset=dict(indices=list(range(0, 9469, 10))))
)
train_cfg = dict(max_epochs=100, val_interval=5)
param_scheduler = dict(T_max=100)
