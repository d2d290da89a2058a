"""DeiT-Tiny with both heads as the student of RegNetY-16GF, on ImageNet-1k."""

_base_ = 'mmpretrain::deit/deit-tiny-distilled_4xb256_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    head=dict(type='TwoHeadedDeiTHead'),
    teacher=dict(
        model=dict(
            type='TimmClassifier',
            model_name='regnety_160.deit_in1k',
            pretrained=True,
        ),
        checkpoint=None,  # timm downloads it
    ),
)
