"""MobileNetV1 on ImageNet-1k, without distillation.

The baseline of arXiv 2208.10139; mmpretrain has no MobileNetV1.

    tools/dist_train.sh configs/baseline/baseline_mobilenet-v1_8xb32_in1k.py 8

Top-1, the paper's: 69.21.
"""

_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    backbone=dict(_delete_=True, type='MobileNetV1'),
    head=dict(in_channels=1024),
)
