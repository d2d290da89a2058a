"""DeiT-Tiny from DeiT III-Small with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_deit3-small_deit-tiny_4xb256_in1k.py 4

Top-1, the paper's: 76.68 (baseline 74.42; teacher pre-trained on ImageNet-21k).
"""

_base_ = '../_base_/deit3-small_deit-tiny_in1k.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.0)),
)
