"""LeNet5 from a thin ResNet-18 with NKD (arXiv 2208.10139) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/nkd_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are the paper's for CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=3.0, gamma=3.5)),
)
