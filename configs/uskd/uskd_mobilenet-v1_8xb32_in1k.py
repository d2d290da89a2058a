"""MobileNetV1 with USKD (arXiv 2303.13005), without a teacher, on ImageNet-1k.

    tools/dist_train.sh configs/uskd/uskd_mobilenet-v1_8xb32_in1k.py 8

Top-1, the paper's: 70.38 (baseline 69.21).
"""

_base_ = '../baseline/baseline_mobilenet-v1_8xb32_in1k.py'
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(type='USKDLoss', student_taps=['logits', 'backbone.model']),
    ),
)
