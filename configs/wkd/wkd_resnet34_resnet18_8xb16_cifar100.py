"""ResNet-18 from ResNet-34 with WKD-L (arXiv 2412.08139) on CIFAR-100.

    tools/dist_train.sh configs/wkd/wkd_resnet34_resnet18_8xb16_cifar100.py 8

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py
The values are the authors' for ResNet-32x4 and ResNet-8x4, and gamma falls over the last 3/8, as theirs. No number of the paper is known for this pair.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(
        wkd=dict(
            type='WKDLoss',
            temperature=8.0,
            gamma=600.0,
            cost=0.401,
            gamma_schedule=dict(type='CosineAnnealingLR', begin=125),
        ),
    ),
)
