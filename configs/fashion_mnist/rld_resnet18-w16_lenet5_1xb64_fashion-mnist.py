"""LeNet5 from a thin ResNet-18 with RLD (arXiv 2408.07703) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/rld_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are the authors' for CIFAR-100; their warm-up of 20 epochs in 240 is 1 in 12 here. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        rld=dict(
            type='RLDLoss',
            temperature=4.0,
            alpha=1.0,
            beta=8.0,
            weight_schedule=dict(type='LinearLR', start_factor=0.05, end=1),
        ),
    ),
)
