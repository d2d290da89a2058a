"""DeiT-Base from DeiT III-Large with ViTKD (arXiv 2209.02432) and NKD on ImageNet-1k.

    tools/dist_train.sh configs/vitkd/vitkd-nkd_deit3-large_deit-base_16xb64_in1k.py 16

Top-1, the paper's: 85.41 (baseline 81.76; teacher pre-trained on ImageNet-21k).
"""

_base_ = '../_base_/deit3-large_deit-base_in1k.py'
model = dict(
    distill_losses=dict(
        vitkd=dict(
            type='ViTKDLoss',
            student_channels=768,
            teacher_channels=1024,
        ),
        nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.0),
    ),
)
