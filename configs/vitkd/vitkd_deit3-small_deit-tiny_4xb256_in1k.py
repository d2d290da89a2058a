"""DeiT-Tiny from DeiT III-Small with ViTKD (arXiv 2209.02432) on ImageNet-1k.

    tools/dist_train.sh configs/vitkd/vitkd_deit3-small_deit-tiny_4xb256_in1k.py 4

Top-1, the paper's: 76.06 (baseline 74.42; teacher pre-trained on ImageNet-21k).
"""

_base_ = '../_base_/deit3-small_deit-tiny_in1k.py'
model = dict(
    distill_losses=dict(
        vitkd=dict(
            type='ViTKDLoss',
            student_channels=192,
            teacher_channels=384,
        ),
    ),
)
