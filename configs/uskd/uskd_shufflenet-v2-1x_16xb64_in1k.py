"""ShuffleNetV2 1x with USKD (arXiv 2303.13005), without a teacher, on ImageNet-1k.

    tools/dist_train.sh configs/uskd/uskd_shufflenet-v2-1x_16xb64_in1k.py 16

Top-1, the paper's: 70.30 (baseline 69.55).
"""

_base_ = 'mmpretrain::shufflenet_v2/shufflenet-v2-1x_16xb64_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(
            type='USKDLoss',
            student_taps=['logits', 'backbone.layers.2'],
        ),
    ),
)
