"""DeiT-Base from DeiT III-Large with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_deit3-large_deit-base_16xb64_in1k.py 16

Top-1, the paper's: 84.96 (baseline 81.76; teacher pre-trained on ImageNet-21k).
"""

_base_ = '../_base_/deit3-large_deit-base_in1k.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.0)),
)
