"""ConvNeXt-Tiny from BEiT v2-Base with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_beitv2-base_convnext-tiny_32xb128_in1k.py 32

The values are the paper's for CNNs, with another recipe. No number of the paper is known.
"""

_base_ = '../_base_/beitv2-base_convnext-tiny_in1k.py'
model = dict(
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
