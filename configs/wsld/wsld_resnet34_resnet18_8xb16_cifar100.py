"""ResNet-18 from ResNet-34 with WSLD (arXiv 2102.00650) on CIFAR-100.

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py

    tools/dist_train.sh configs/wsld/wsld_resnet34_resnet18_8xb16_cifar100.py 8

The values are those that arXiv 2208.10139 compares with. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(
        wsld=dict(type='WSLDLoss', temperature=4.0, loss_weight=2.25),
    ),
)
