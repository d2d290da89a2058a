"""ResNet-18 from ResNet-34 with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_resnet34_resnet18_8xb32_in1k.py 8

Top-1, the paper's: 71.96 (baseline 69.90, teacher 73.62).
"""

_base_ = '../_base_/resnet34_resnet18_in1k.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
