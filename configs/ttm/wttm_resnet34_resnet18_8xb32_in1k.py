"""ResNet-18 from ResNet-34 with WTTM (arXiv 2402.11148) on ImageNet-1k.

    tools/dist_train.sh configs/ttm/wttm_resnet34_resnet18_8xb32_in1k.py 8

The values are the authors' (their gamma is 1 / temperature).
Top-1, the paper's: 72.19 (theirs of the README; their KD: 70.66).
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(
        wttm=dict(type='WTTMLoss', temperature=1.25, loss_weight=1.6),
    ),
)
