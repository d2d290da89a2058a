"""ResNet-18 with tf-NKD, without a teacher, on CIFAR-100.

tf-NKD, arXiv 2208.10139.

    tools/dist_train.sh configs/tf_nkd/tf-nkd_resnet18_8xb16_cifar100.py 8

No number of the paper is known.
"""

_base_ = '../baseline/baseline_resnet18_8xb16_cifar100.py'
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
