"""Swin-Tiny with USKD (arXiv 2303.13005), without a teacher, on ImageNet-1k.

    tools/dist_train.sh configs/uskd/uskd_swin-tiny_16xb64_in1k.py 16

Top-1, the paper's: 81.49 (baseline 81.18).
"""

_base_ = 'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(
            type='USKDLoss',
            student_taps=['logits', 'backbone.stages.2'],
            norm=True,
        ),
    ),
)
