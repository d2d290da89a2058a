"""DeiT-Tiny from DeiT III-Small with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_deit3-small_deit-tiny_4xb256_in1k.py 4

Top-1, the paper's: 76.68 (baseline 74.42; teacher pre-trained on ImageNet-21k).
"""

_base_ = 'mmpretrain::deit/deit-tiny_4xb256_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::deit3/deit3-small-p16_64xb64_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/deit3/deit3-small-p16_in21k-pre_3rdparty_in1k_20221009-dcd90827.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.0)),
)
