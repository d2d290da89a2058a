"""LeNet5 from a thin ResNet-18 with DKD (arXiv 2203.08679) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/dkd_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are CIFAR-100's; its warm-up of 20 epochs in 240 is 1 in 12 here. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        dkd=dict(
            type='DKDLoss',
            temperature=4.0,
            beta=8.0,
            weight_schedule=dict(type='LinearLR', start_factor=0.05, end=1),
        )
    ),
)
