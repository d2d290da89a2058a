"""LeNet5 from a thin ResNet-18 with DIST (arXiv 2205.10536) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/dist_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The weights are those of ImageNet, the temperature is our choice. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        dist=dict(type='DISTLoss', temperature=4.0, beta=2.0, gamma=2.0)
    ),
)
