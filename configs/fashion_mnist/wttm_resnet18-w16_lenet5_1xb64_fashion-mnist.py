"""LeNet5 from a thin ResNet-18 with WTTM (arXiv 2402.11148) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/wttm_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are the authors' for ResNet-32x4 and ResNet-8x4 on CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        wttm=dict(type='WTTMLoss', temperature=10.0, loss_weight=3.0),
    ),
)
