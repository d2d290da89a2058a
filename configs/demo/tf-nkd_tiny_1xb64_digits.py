"""The demo's student distilled from itself: tf-NKD, without a teacher.

python tools/train.py configs/demo/tf-nkd_tiny_1xb64_digits.py
"""

_base_ = './baseline_tiny_1xb64_digits.py'

model = dict(
    type='DistilledClassifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
