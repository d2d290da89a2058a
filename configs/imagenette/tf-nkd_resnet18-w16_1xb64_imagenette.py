"""The thin ResNet-18 with tf-NKD (arXiv 2208.10139), without a teacher, on Imagenette.

    python tools/train.py configs/imagenette/tf-nkd_resnet18-w16_1xb64_imagenette.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/imagenette.py'
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
