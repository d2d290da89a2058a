"""A thin ResNet-18 as the student of EfficientNet-Lite0, pre-trained by timm.

The teacher's classes are those of ImageNet-1k, and it sees larger images.
"""

_base_ = './imagenette.py'
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model=dict(
            type='TimmClassifier',
            model_name='tf_efficientnet_lite0',
            pretrained=True,
            data_preprocessor=dict(
                mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True
            ),
        ),
        checkpoint=None,  # timm has loaded it
        class_indices=[0, 217, 482, 491, 497, 566, 569, 571, 574, 701],
        input_size=160,
        dtype='bfloat16',
    ),
)
