"""ResNet-50 as the student of DINOv2's ViT-B/14, which has no classes, on ImageNet-1k."""

_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::dinov2/vit-base-p14_dinov2-pre_headless.py',
        checkpoint='https://download.openmmlab.com/mmpretrain/v1.0/dinov2/vit-base-p14_dinov2-pre_3rdparty_20230426-ba246503.pth',
    ),
)
