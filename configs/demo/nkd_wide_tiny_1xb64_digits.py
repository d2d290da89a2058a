"""The demo's student with NKD from the demo's teacher, which is trained first.

python tools/train.py configs/demo/baseline_wide_1xb64_digits.py
python tools/train.py configs/demo/nkd_wide_tiny_1xb64_digits.py
"""

_base_ = './baseline_tiny_1xb64_digits.py'

model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='{{ fileDirname }}/baseline_wide_1xb64_digits.py',
        checkpoint='work_dirs/demo/baseline_wide_1xb64_digits/epoch_15.pth',
    ),
    distill_losses=dict(nkd=dict(type='NKDLoss', temperature=1.0, gamma=1.5)),
)
