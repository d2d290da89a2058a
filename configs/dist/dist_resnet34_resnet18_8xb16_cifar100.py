"""ResNet-18 from ResNet-34 with DIST (arXiv 2205.10536) on CIFAR-100.

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py

    tools/dist_train.sh configs/dist/dist_resnet34_resnet18_8xb16_cifar100.py 8

The values are our choice: the weights as on ImageNet, temperature 4. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(
        dist=dict(type='DISTLoss', temperature=4.0, beta=2.0, gamma=2.0),
    ),
)
