"""ResNet-18 from ResNet-34 with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_resnet34_resnet18_8xb32_in1k.py 8

Top-1, the paper's: 71.96 (baseline 69.90, teacher 73.62).
"""

_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::resnet/resnet34_8xb32_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/resnet34_8xb32_in1k_20210831-f257d4e6.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
