"""ResNet-18 from ResNet-34 with EA-DKD (arXiv 2311.13621) on ImageNet-1k.

    tools/dist_train.sh configs/ea/ea-dkd_resnet34_resnet18_8xb32_in1k.py 8

The values are those of the authors' configuration (their code then takes 3 for the 2).
No number of the paper is known.
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(
        dkd=dict(
            type='DKDLoss',
            temperature=1.0,
            alpha=1.0,
            beta=0.5,
            sample_weight=dict(type='entropy', temperature=2.0),
        ),
    ),
)
