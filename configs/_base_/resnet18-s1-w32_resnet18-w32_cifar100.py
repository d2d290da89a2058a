"""A thin ResNet-18 as the student of one that sees more, on CIFAR-100."""

_base_ = '../cifar100/baseline_resnet18-w32_1xb128_cifar100-short.py'
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='{{ fileDirname }}/../cifar100/baseline_resnet18-s1-w32_1xb128_cifar100-short.py',
        checkpoint='work_dirs/baseline_resnet18-s1-w32_1xb128_cifar100-short/epoch_20.pth',
    ),
)
