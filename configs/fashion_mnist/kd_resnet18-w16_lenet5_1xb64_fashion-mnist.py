"""LeNet5 from a thin ResNet-18 with KD (arXiv 1503.02531) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/kd_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are those that arXiv 2208.10139 compares with on CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        kd=dict(type='KDLoss', temperature=3.0, loss_weight=0.5)
    ),
)
