"""MobileNetV1 from ResNet-50 with SRRL (ICLR 2021) on ImageNet-1k.

    tools/dist_train.sh configs/srrl/srrl_resnet50_mobilenet-v1_8xb32_in1k.py 8

The values are those that arXiv 2208.10139 compares with. No number of the paper is known.
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    distill_losses=dict(
        srrl=dict(
            type='SRRLLoss',
            student_taps='backbone.s4',
            teacher_taps='backbone.layer4',
            student_channels=1024,
            teacher_channels=2048,
        ),
    ),
)
