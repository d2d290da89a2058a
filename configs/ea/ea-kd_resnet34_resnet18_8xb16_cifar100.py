"""ResNet-18 from ResNet-34 with EA-KD (arXiv 2311.13621) on CIFAR-100.

    tools/dist_train.sh configs/ea/ea-kd_resnet34_resnet18_8xb16_cifar100.py 8

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py
The values are the authors' for all pairs on CIFAR-100. No number of the paper is known for this one.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    student_loss_weight=0.1,
    distill_losses=dict(
        kd=dict(
            type='KDLoss',
            temperature=4.0,
            loss_weight=0.9,
            sample_weight=dict(type='entropy', temperature=3.0),
        ),
    ),
)
