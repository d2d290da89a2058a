"""LeNet5 with USKD (arXiv 2303.13005), without a teacher, on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/uskd_lenet5_1xb64_fashion-mnist.py

The values are the paper's for CIFAR-100. No number of the paper is known. Ours: docs/results.md
"""

_base_ = './baseline_lenet5_1xb64_fashion-mnist.py'
model = dict(
    type='DistilledClassifier',
    logits_tap='backbone.classifier',
    distill_losses=dict(
        uskd=dict(
            type='USKDLoss',
            student_taps=['logits', 'backbone.features.5'],
            in_channels=16,
            num_classes=10,
            alpha=0.1,
            mu=0.1,
        )
    ),
)
