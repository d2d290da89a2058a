"""ShuffleNetV2 1x with tf-NKD, without a teacher, on ImageNet-1k.

tf-NKD, arXiv 2208.10139.

    tools/dist_train.sh configs/tf_nkd/tf-nkd_shufflenet-v2-1x_16xb64_in1k.py 16

Top-1, the paper's: 69.93 (baseline 69.55).
"""

_base_ = 'mmpretrain::shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
