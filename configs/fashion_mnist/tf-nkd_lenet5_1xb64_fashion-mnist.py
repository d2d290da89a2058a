"""LeNet5 with tf-NKD (arXiv 2208.10139), without a teacher, on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/tf-nkd_lenet5_1xb64_fashion-mnist.py

No number of the paper is known. Ours: docs/results.md
"""

_base_ = './baseline_lenet5_1xb64_fashion-mnist.py'
model = dict(
    type='DistilledClassifier',
    logits_tap='backbone.classifier',
    distill_losses=dict(tf_nkd=dict(type='TFNKDLoss')),
)
