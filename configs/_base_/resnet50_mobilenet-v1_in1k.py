"""MobileNetV1 as the student of ResNet-50, on ImageNet-1k."""

_base_ = '../baseline/baseline_mobilenet-v1_8xb32_in1k.py'
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::resnet/resnet50_8xb32_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/resnet50_8xb32_in1k_20210831-ea4938fc.pth',
    ),
)
