"""LeNet5 from a thin ResNet-18 with WSLD (arXiv 2102.00650) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/wsld_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are those that arXiv 2208.10139 compares with on CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        wsld=dict(type='WSLDLoss', temperature=4.0, loss_weight=2.25)
    ),
)
