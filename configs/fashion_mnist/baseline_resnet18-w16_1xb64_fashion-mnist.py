"""The teacher: a ResNet-18 of width 16, on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/baseline_resnet18-w16_1xb64_fashion-mnist.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/fashion_mnist.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet_CIFAR',
        depth=18,
        in_channels=1,
        stem_channels=16,
        base_channels=16,
        strides=(2, 2, 2, 2),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=128),
)
