"""ResNet-18 from ResNet-34 with DIST (arXiv 2205.10536) on ImageNet-1k.

    tools/dist_train.sh configs/dist/dist_resnet34_resnet18_8xb32_in1k.py 8

The values are those of MMRazor's configuration. No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(
        dist=dict(type='DISTLoss', temperature=1.0, beta=2.0, gamma=2.0),
    ),
)
