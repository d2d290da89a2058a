"""MobileNetV1 from ResNet-50 with DKD (arXiv 2203.08679) on ImageNet-1k.

    tools/dist_train.sh configs/dkd/dkd_resnet50_mobilenet-v1_8xb32_in1k.py 8

The values are those that arXiv 2208.10139 compares with. No number of the paper is known.
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    distill_losses=dict(
        dkd=dict(type='DKDLoss', temperature=1.0, alpha=1.0, beta=0.5),
    ),
)
