"""A timm student on your images, with NKD from a timm teacher.

No number: it depends on your images.

mmnkd train configs/custom/timm_teacher.py
mmnkd train configs/custom/timm_student.py
"""

_base_ = '../_base_/image_folder.py'

model = dict(
    type='DistilledTimmClassifier',  # was TimmClassifier
    model_name='mobilenetv3_small_050',
    num_classes=_base_.num_classes,
    pretrained=True,
    teacher=dict(
        model=dict(
            type='TimmClassifier',
            model_name='tf_efficientnet_lite0',
            num_classes=_base_.num_classes,
        ),
        checkpoint='work_dirs/timm_teacher/epoch_20.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
