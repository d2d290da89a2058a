"""A thin ResNet-18 on Imagenette at 128 px, without distillation.

    python tools/train.py configs/imagenette/baseline_resnet18-w16_1xb64_imagenette.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/imagenette.py'
