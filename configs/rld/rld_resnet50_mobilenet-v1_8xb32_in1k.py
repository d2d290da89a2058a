"""MobileNetV1 from ResNet-50 with RLD (arXiv 2408.07703) on ImageNet-1k.

    tools/dist_train.sh configs/rld/rld_resnet50_mobilenet-v1_8xb32_in1k.py 8

The values are those of the authors' code, whose warm-up of one epoch is none.
Top-1, the paper's: 72.75 (from notes on it; KD there: 70.50).
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    distill_losses=dict(
        rld=dict(type='RLDLoss', temperature=1.0, alpha=1.0, beta=2.0),
    ),
)
