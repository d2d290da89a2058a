"""The demo's teacher: a wide ResNet with three stages, without distillation.

python tools/train.py configs/demo/baseline_wide_1xb64_digits.py
"""

_base_ = '../_base_/digits.py'

model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet_CIFAR',
        depth=18,
        num_stages=3,
        stem_channels=24,
        base_channels=24,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=96),
)
optim_wrapper = dict(optimizer=dict(lr=0.1))
# Where the students' configs look for it.
work_dir = 'work_dirs/demo/baseline_wide_1xb64_digits'
