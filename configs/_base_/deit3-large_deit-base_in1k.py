"""DeiT-Base as the student of DeiT III-Large, pre-trained on ImageNet-21k, on ImageNet-1k."""

_base_ = 'mmpretrain::deit/deit-base_16xb64_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::deit3/deit3-large-p16_64xb64_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/deit3/deit3-large-p16_in21k-pre_3rdparty_in1k_20221009-d8d27084.pth',
    ),
)
