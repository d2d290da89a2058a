"""MobileNetV1 from ResNet-50 with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_resnet50_mobilenet-v1_8xb32_in1k.py 8

Top-1, the paper's: 72.58 (baseline 69.21, teacher 76.55).
"""

_base_ = '../_base_/resnet50_mobilenet-v1_in1k.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
optim_wrapper = dict(clip_grad=dict(max_norm=5.0))
