"""MobileNetV1 from ResNet-50 with DIST (arXiv 2205.10536) on ImageNet-1k.

    tools/dist_train.sh configs/dist/dist_resnet50_mobilenet-v1_8xb32_in1k.py 8

The values are those of MMRazor's configuration. No number of the paper is known.
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    distill_losses=dict(
        dist=dict(type='DISTLoss', temperature=1.0, beta=2.0, gamma=2.0),
    ),
)
