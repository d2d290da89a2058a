"""LeNet5 on Fashion-MNIST, without distillation.

    python tools/train.py configs/fashion_mnist/baseline_lenet5_1xb64_fashion-mnist.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/fashion_mnist.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='LeNet5', num_classes=10),
    neck=None,
    head=dict(
        type='ClsHead', loss=dict(type='CrossEntropyLoss', loss_weight=1.0)
    ),
)
