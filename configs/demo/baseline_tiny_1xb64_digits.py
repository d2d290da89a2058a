"""The demo's student: a ResNet with two stages of 6 and 12 channels.

python tools/train.py configs/demo/baseline_tiny_1xb64_digits.py
"""

_base_ = '../_base_/digits.py'

model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet_CIFAR',
        depth=18,
        num_stages=2,
        stem_channels=6,
        base_channels=6,
        strides=(1, 2),
        dilations=(1, 1),
        out_indices=(1,),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=12),
)
