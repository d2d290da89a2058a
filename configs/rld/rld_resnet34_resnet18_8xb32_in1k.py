"""ResNet-18 from ResNet-34 with RLD (arXiv 2408.07703) on ImageNet-1k.

    tools/dist_train.sh configs/rld/rld_resnet34_resnet18_8xb32_in1k.py 8

The values are those of the authors' code, whose warm-up of one epoch is none.
Top-1, the paper's: 71.91 (from notes on it; KD there: 71.03).
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(
        rld=dict(type='RLDLoss', temperature=1.0, alpha=1.0, beta=0.5),
    ),
)
