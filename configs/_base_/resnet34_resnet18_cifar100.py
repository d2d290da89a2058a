"""ResNet-18 as the student of ResNet-34, on CIFAR-100."""

_base_ = '../baseline/baseline_resnet18_8xb16_cifar100.py'
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='{{ fileDirname }}/../baseline/baseline_resnet34_8xb16_cifar100.py',
        checkpoint='work_dirs/baseline_resnet34_8xb16_cifar100/epoch_200.pth',
    ),
)
