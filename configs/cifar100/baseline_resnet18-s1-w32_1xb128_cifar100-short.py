"""The teacher: a ResNet-18 of width 32 with a stem of stride 1, on CIFAR-100.

    python tools/train.py configs/cifar100/baseline_resnet18-s1-w32_1xb128_cifar100-short.py

It sees the images at four times the resolution of the student. No number of the paper is known. Ours: docs/results.md
"""

_base_ = './baseline_resnet18-w32_1xb128_cifar100-short.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet_CIFAR',
        depth=18,
        stem_channels=32,
        base_channels=32,
        strides=(2, 2, 2, 2),
    ),
)
