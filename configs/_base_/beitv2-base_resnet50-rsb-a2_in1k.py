"""ResNet-50 by RSB-A2 as the student of BEiT v2-Base, pre-trained on ImageNet-21k, on ImageNet-1k."""

_base_ = 'mmpretrain::resnet/resnet50_8xb256-rsb-a2-300e_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::beitv2/benchmarks/beit-base-p16_8xb64_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/beit/beitv2-base_3rdparty_in1k_20221114-73e11905.pth',
    ),
)
