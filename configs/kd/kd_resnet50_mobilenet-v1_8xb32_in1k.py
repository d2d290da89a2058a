"""MobileNetV1 from ResNet-50 with KD (arXiv 1503.02531) on ImageNet-1k.

    tools/dist_train.sh configs/kd/kd_resnet50_mobilenet-v1_8xb32_in1k.py 8

The values are those that arXiv 2208.10139 compares with. No number of the paper is known.
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    student_loss_weight=0.5,
    distill_losses=dict(
        kd=dict(type='KDLoss', temperature=1.0, loss_weight=0.5),
    ),
)
