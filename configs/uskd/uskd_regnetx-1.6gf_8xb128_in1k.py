"""RegNetX-1.6GF with USKD (arXiv 2303.13005), without a teacher, on ImageNet-1k.

    tools/dist_train.sh configs/uskd/uskd_regnetx-1.6gf_8xb128_in1k.py 8

Top-1, the paper's: 77.30 (baseline 76.84).
"""

_base_ = 'mmpretrain::regnet/regnetx-1.6gf_8xb128_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(type='USKDLoss', student_taps=['logits', 'backbone.layer3']),
    ),
)
