"""ResNet-18 from ResNet-34 with hard labels (arXiv 2012.12877) on ImageNet-1k.

    tools/dist_train.sh configs/hard/hard_resnet34_resnet18_8xb32_in1k.py 8

The weights are DeiT's, which has no such pair. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        hard=dict(type='HardLabelLoss', loss_weight=0.5),
    ),
)
