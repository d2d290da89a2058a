"""LeNet5 from a thin ResNet-18 with WKD-L (arXiv 2412.08139) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/wkd_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are the authors' for ResNet-32x4 and ResNet-8x4 on CIFAR-100, the cost is the constant that comes nearest to theirs there, and gamma falls over the last third. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        wkd=dict(
            type='WKDLoss',
            temperature=8.0,
            gamma=600.0,
            cost=0.401,
            gamma_schedule=dict(type='CosineAnnealingLR', begin=8),
        ),
    ),
)
