"""MobileNetV2 with tf-NKD, without a teacher, on ImageNet-1k.

tf-NKD, arXiv 2208.10139.

    tools/dist_train.sh configs/tf_nkd/tf-nkd_mobilenet-v2_8xb32_in1k.py 8

Top-1, the paper's: 72.08 (baseline 71.86).
"""

_base_ = 'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
