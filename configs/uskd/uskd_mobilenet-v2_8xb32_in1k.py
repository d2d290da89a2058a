"""MobileNetV2 with USKD (arXiv 2303.13005), without a teacher, on ImageNet-1k.

    tools/dist_train.sh configs/uskd/uskd_mobilenet-v2_8xb32_in1k.py 8

Top-1, the paper's: 72.41 (baseline 71.86).
"""

_base_ = 'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(type='USKDLoss', student_taps=['logits', 'backbone.layer7']),
    ),
)
