"""DeiT-Tiny from RegNetY-16GF with hard labels and two heads (arXiv 2012.12877) on ImageNet-1k.

    tools/dist_train.sh configs/hard/hard_regnety-160_deit-tiny-distilled_4xb256_in1k.py 4

The teacher and the weights are DeiT's. timm downloads the teacher.
Top-1, the paper's: 74.51 (of its own weights, by mmpretrain's metafile).
"""

_base_ = '../_base_/regnety-160_deit-tiny-distilled_in1k.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        hard=dict(
            type='HardLabelLoss',
            student_taps='head.layers.head_dist',
            loss_weight=0.5,
        ),
    ),
)
