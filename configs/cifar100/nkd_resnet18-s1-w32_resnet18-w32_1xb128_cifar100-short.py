"""A thin ResNet-18 from a better one with NKD (arXiv 2208.10139) on CIFAR-100.

    python tools/train.py configs/cifar100/nkd_resnet18-s1-w32_resnet18-w32_1xb128_cifar100-short.py

The values are the paper's for CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-s1-w32_resnet18-w32_cifar100.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=3.0, gamma=3.5)),
)
