"""MobileNetV1 from ResNet-50 with WSLD (arXiv 2102.00650) on ImageNet-1k.

    tools/dist_train.sh configs/wsld/wsld_resnet50_mobilenet-v1_8xb32_in1k.py 8

The values are those that arXiv 2208.10139 compares with. No number of the paper is known.
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    distill_losses=dict(
        wsld=dict(type='WSLDLoss', temperature=2.0, loss_weight=2.5),
    ),
)
