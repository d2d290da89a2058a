"""NKD as in the authors' released code, with the teacher in train mode.

python tools/train.py configs/demo/baseline_wide_1xb64_digits.py
python tools/train.py configs/demo/nkd-train_wide_tiny_1xb64_digits.py
"""

_base_ = './nkd_wide_tiny_1xb64_digits.py'

model = dict(teacher=dict(mode='train'))
