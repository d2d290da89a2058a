"""A teacher for your images: timm's EfficientNet-Lite0, fine-tuned.

No number: it depends on your images.

mmnkd train configs/custom/timm_teacher.py
"""

_base_ = '../_base_/image_folder.py'

model = dict(
    type='TimmClassifier',
    model_name='tf_efficientnet_lite0',
    num_classes=_base_.num_classes,
    pretrained=True,
)
# What timm's weights were trained with.
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3)
