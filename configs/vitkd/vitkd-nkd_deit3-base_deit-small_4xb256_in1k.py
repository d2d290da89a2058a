"""DeiT-Small from DeiT III-Base with ViTKD (arXiv 2209.02432) and NKD on ImageNet-1k.

    tools/dist_train.sh configs/vitkd/vitkd-nkd_deit3-base_deit-small_4xb256_in1k.py 4

Top-1, the paper's: 83.59 (teacher pre-trained on ImageNet-21k).
"""

_base_ = '../_base_/deit3-base_deit-small_in1k.py'
model = dict(
    distill_losses=dict(
        vitkd=dict(
            type='ViTKDLoss',
            student_channels=384,
            teacher_channels=768,
        ),
        nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.0),
    ),
)
