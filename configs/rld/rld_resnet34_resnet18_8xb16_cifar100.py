"""ResNet-18 from ResNet-34 with RLD (arXiv 2408.07703) on CIFAR-100.

    tools/dist_train.sh configs/rld/rld_resnet34_resnet18_8xb16_cifar100.py 8

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py
The values are the authors' for all pairs on CIFAR-100. No number of the paper is known for this one.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(
        rld=dict(
            type='RLDLoss',
            temperature=4.0,
            alpha=1.0,
            beta=8.0,
            weight_schedule=dict(type='LinearLR', start_factor=0.05, end=20),
        ),
    ),
)
