"""DeiT-Small from DeiT III-Base with ViTKD (arXiv 2209.02432) on ImageNet-1k.

    tools/dist_train.sh configs/vitkd/vitkd_deit3-base_deit-small_4xb256_in1k.py 4

Top-1, the paper's: 81.95 (teacher pre-trained on ImageNet-21k).
"""

_base_ = '../_base_/deit3-base_deit-small_in1k.py'
model = dict(
    distill_losses=dict(
        vitkd=dict(
            type='ViTKDLoss',
            student_channels=384,
            teacher_channels=768,
        ),
    ),
)
