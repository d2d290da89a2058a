"""ResNet-18 from ResNet-34 with EA-KD (arXiv 2311.13621) on ImageNet-1k.

    tools/dist_train.sh configs/ea/ea-kd_resnet34_resnet18_8xb32_in1k.py 8

The values are those of the authors' code.
Top-1, the paper's: 71.79 (from notes on it; KD there: 71.03).
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(
        kd=dict(
            type='KDLoss',
            temperature=1.0,
            loss_weight=0.5,
            sample_weight=dict(type='entropy', temperature=2.0),
        ),
    ),
)
