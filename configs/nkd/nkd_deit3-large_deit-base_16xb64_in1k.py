"""DeiT-Base from DeiT III-Large with NKD on ImageNet-1k.

NKD, arXiv 2208.10139 (gamma is called alpha there).

    tools/dist_train.sh configs/nkd/nkd_deit3-large_deit-base_16xb64_in1k.py 16

Top-1, the paper's: 84.96 (baseline 81.76; teacher pre-trained on ImageNet-21k).
"""

_base_ = 'mmpretrain::deit/deit-base_16xb64_in1k.py'
custom_imports = dict(imports=['mmnkd'], allow_failed_imports=False)
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::deit3/deit3-large-p16_64xb64_in1k.py',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/deit3/deit3-large-p16_in21k-pre_3rdparty_in1k_20221009-d8d27084.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.0)),
)
