"""A thin ResNet-18 from a better one with DKD (arXiv 2203.08679) on CIFAR-100.

    python tools/train.py configs/cifar100/dkd_resnet18-s1-w32_resnet18-w32_1xb128_cifar100-short.py

The values are CIFAR-100's; its warm-up of 20 epochs in 240 is 2 in 20 here. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-s1-w32_resnet18-w32_cifar100.py'
model = dict(
    distill_losses=dict(
        dkd=dict(
            type='DKDLoss',
            temperature=4.0,
            beta=8.0,
            weight_schedule=dict(type='LinearLR', start_factor=0.05, end=2),
        )
    ),
)
