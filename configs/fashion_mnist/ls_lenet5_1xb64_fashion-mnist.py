"""LeNet5 with label smoothing on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/ls_lenet5_1xb64_fashion-mnist.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = './baseline_lenet5_1xb64_fashion-mnist.py'
model = dict(
    head=dict(
        loss=dict(
            type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'
        ),
    ),
)
