"""A ResNet-18 of width 32 with the stem for ImageNet, on CIFAR-100 in 20 epochs.

    python tools/train.py configs/cifar100/baseline_resnet18-w32_1xb128_cifar100-short.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/cifar100_short.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, stem_channels=32, base_channels=32),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=100, in_channels=256),
)
