"""A thin ResNet-18 with tf-NKD (arXiv 2208.10139), without a teacher, on CIFAR-100.

    python tools/train.py configs/cifar100/tf-nkd_resnet18-w32_1xb128_cifar100-short.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = './baseline_resnet18-w32_1xb128_cifar100-short.py'
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
