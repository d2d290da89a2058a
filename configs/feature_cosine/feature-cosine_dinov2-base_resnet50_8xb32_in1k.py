"""ResNet-50 from DINOv2's ViT-B/14 (arXiv 2304.07193) by features, on ImageNet-1k.

    tools/dist_train.sh configs/feature_cosine/feature-cosine_dinov2-base_resnet50_8xb32_in1k.py 8

The weight of 1 is a start, no one's recipe. No number of the paper is known.
"""

_base_ = '../_base_/dinov2-base_resnet50_in1k.py'
model = dict(
    distill_losses=dict(
        cosine=dict(
            type='FeatureCosineLoss',
            student_taps='backbone.layer4',
            teacher_taps='backbone',
            student_channels=2048,
            teacher_channels=768,
        ),
    ),
)
