"""LeViT-128S from RegNetY-16GF with hard labels and two heads (arXiv 2012.12877) on ImageNet-1k.

    tools/dist_train.sh configs/hard/hard_regnety-160_levit-128s_8xb256_in1k.py 8

The weights are DeiT's, its teacher is LeViT's too (arXiv 2104.01136). timm downloads it.
Top-1, the paper's: 76.51 (of its own weights, by mmpretrain's metafile).
"""

_base_ = '../_base_/regnety-160_levit-128s_in1k.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        hard=dict(
            type='HardLabelLoss',
            student_taps='head.head_dist',
            loss_weight=0.5,
        ),
    ),
)
