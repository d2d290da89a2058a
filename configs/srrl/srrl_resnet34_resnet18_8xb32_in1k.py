"""ResNet-18 from ResNet-34 with SRRL (ICLR 2021) on ImageNet-1k.

    tools/dist_train.sh configs/srrl/srrl_resnet34_resnet18_8xb32_in1k.py 8

The values are those that arXiv 2208.10139 compares with. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(
        srrl=dict(
            type='SRRLLoss',
            student_taps='backbone.layer4',
            teacher_taps='backbone.layer4',
            student_channels=512,
            teacher_channels=512,
        ),
    ),
)
