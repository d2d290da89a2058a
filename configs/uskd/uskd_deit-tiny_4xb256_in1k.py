"""DeiT-Tiny with USKD (arXiv 2303.13005), without a teacher, on ImageNet-1k.

    tools/dist_train.sh configs/uskd/uskd_deit-tiny_4xb256_in1k.py 4

Top-1, the paper's: 74.97 (baseline 74.42).
"""

_base_ = 'mmpretrain::deit/deit-tiny_4xb256_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(
            type='USKDLoss',
            student_taps=['logits', 'backbone.layers.5'],
        ),
    ),
)
