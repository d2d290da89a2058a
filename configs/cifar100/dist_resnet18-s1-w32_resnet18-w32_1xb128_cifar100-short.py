"""A thin ResNet-18 from a better one with DIST (arXiv 2205.10536) on CIFAR-100.

    python tools/train.py configs/cifar100/dist_resnet18-s1-w32_resnet18-w32_1xb128_cifar100-short.py

The weights are those of ImageNet, the temperature is our choice. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-s1-w32_resnet18-w32_cifar100.py'
model = dict(
    distill_losses=dict(
        dist=dict(type='DISTLoss', temperature=4.0, beta=2.0, gamma=2.0)
    ),
)
