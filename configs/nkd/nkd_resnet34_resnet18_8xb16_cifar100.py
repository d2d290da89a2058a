"""ResNet-18 from ResNet-34 with NKD on CIFAR-100.

NKD, arXiv 2208.10139 (gamma is called alpha there).
First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py

    tools/dist_train.sh configs/nkd/nkd_resnet34_resnet18_8xb16_cifar100.py 8

No number of the paper is known.
"""

_base_ = '../baseline/baseline_resnet18_8xb16_cifar100.py'
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='{{ fileDirname }}/../baseline/baseline_resnet34_8xb16_cifar100.py',
        checkpoint='work_dirs/baseline_resnet34_8xb16_cifar100/epoch_200.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=3.0, gamma=3.5)),
)
