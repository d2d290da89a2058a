"""ResNet-18 from ResNet-34 with NKD on CIFAR-100.

NKD, arXiv 2208.10139 (gamma is called alpha there).
First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py

    tools/dist_train.sh configs/nkd/nkd_resnet34_resnet18_8xb16_cifar100.py 8

No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=3.0, gamma=3.5)),
)
