"""ResNet-34 on CIFAR-100, without distillation.

The teacher of the CIFAR-100 experiments; mmpretrain has ResNet-50 only.

    tools/dist_train.sh configs/baseline/baseline_resnet34_8xb16_cifar100.py 8

No number of the paper is known.
"""

_base_ = '../_base_/cifar100.py'
model = dict(backbone=dict(depth=34), head=dict(in_channels=512))
