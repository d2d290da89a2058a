"""MobileNetV1 with tf-NKD, without a teacher, on ImageNet-1k.

tf-NKD, arXiv 2208.10139.

    tools/dist_train.sh configs/tf_nkd/tf-nkd_mobilenet-v1_8xb32_in1k.py 8

Top-1, the paper's: 70.04 (baseline 69.21).
"""

_base_ = '../baseline/baseline_mobilenet-v1_8xb32_in1k.py'
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
