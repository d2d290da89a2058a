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
# For the students with a teacher: some losses are large, and this network has
# no batch normalization, which would make that harmless.
optim_wrapper = dict(clip_grad=dict(max_norm=1.0))
