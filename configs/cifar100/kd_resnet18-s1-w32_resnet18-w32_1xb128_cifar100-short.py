"""A thin ResNet-18 from a better one with KD (arXiv 1503.02531) on CIFAR-100.

    python tools/train.py configs/cifar100/kd_resnet18-s1-w32_resnet18-w32_1xb128_cifar100-short.py

The values are those that arXiv 2208.10139 compares with on CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-s1-w32_resnet18-w32_cifar100.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        kd=dict(type='KDLoss', temperature=3.0, loss_weight=0.5)
    ),
)
