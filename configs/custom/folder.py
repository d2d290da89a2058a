"""ResNet-18 on your images, from scratch, with NKD from folder_teacher.py.

No number: it depends on your images.

mmnkd train configs/custom/folder_teacher.py
mmnkd train configs/custom/folder.py
"""

_base_ = '../_base_/image_folder.py'

model = dict(
    type='DistilledClassifier',
    backbone=dict(type='ResNet', depth=18),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=_base_.num_classes, in_channels=512
    ),
    teacher=dict(
        model='{{ fileDirname }}/folder_teacher.py',
        checkpoint='work_dirs/folder_teacher/epoch_20.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
