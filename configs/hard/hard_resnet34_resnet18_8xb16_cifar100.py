"""ResNet-18 from ResNet-34 with hard labels (arXiv 2012.12877) on CIFAR-100.

    tools/dist_train.sh configs/hard/hard_resnet34_resnet18_8xb16_cifar100.py 8

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py
The weights are DeiT's, which has no such pair. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        hard=dict(type='HardLabelLoss', loss_weight=0.5),
    ),
)
