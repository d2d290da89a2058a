"""A teacher for your images: ResNet-34, fine-tuned from the model zoo.

No number: it depends on your images.

mmnkd train configs/custom/folder_teacher.py
"""

_base_ = '../_base_/image_folder.py'

model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=34),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=_base_.num_classes, in_channels=512
    ),
)
load_from = 'https://download.openmmlab.com/mmclassification/v0/resnet/resnet34_8xb32_in1k_20210831-f257d4e6.pth'
