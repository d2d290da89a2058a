"""ResNet-18 from ResNet-34 with TTM (arXiv 2402.11148) on CIFAR-100.

    tools/dist_train.sh configs/ttm/ttm_resnet34_resnet18_8xb16_cifar100.py 8

First train the teacher: configs/baseline/baseline_resnet34_8xb16_cifar100.py
The values are the authors' for ResNet-32x4 and ResNet-8x4. No number of the paper is known for this pair.
"""

_base_ = '../_base_/resnet34_resnet18_cifar100.py'
model = dict(
    distill_losses=dict(
        ttm=dict(type='TTMLoss', temperature=10.0, loss_weight=100.0),
    ),
)
