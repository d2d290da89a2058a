"""ResNet-18 from ResNet-34 with DKD (arXiv 2203.08679) on CIFAR-100.

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py

    tools/dist_train.sh configs/dkd/dkd_resnet34_resnet18_8xb16_cifar100.py 8

The values are those of arXiv 2208.10139, the warm-up is DKD's own. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(
        dkd=dict(
            type='DKDLoss',
            temperature=4.0,
            beta=8.0,
            weight_schedule=dict(type='LinearLR', start_factor=0.05, end=20),
        ),
    ),
)
