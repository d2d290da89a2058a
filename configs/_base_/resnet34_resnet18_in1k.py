"""ResNet-18 as the student of ResNet-34, on ImageNet-1k."""

_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::resnet/resnet34_8xb32_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/resnet34_8xb32_in1k_20210831-f257d4e6.pth',
    ),
)
