"""LeNet5 from a thin ResNet-18 with NKD on standardized logits (arXiv 2208.10139, 2403.01427) on Fashion-MNIST.

    python tools/train.py configs/fashion_mnist/nkd-std_resnet18-w16_lenet5_1xb64_fashion-mnist.py

The values are those of ImageNet, for standardized logits are small. No number of the paper is known. Ours: docs/results.md
"""

_base_ = '../_base_/resnet18-w16_lenet5_fashion-mnist.py'
model = dict(
    distill_losses=dict(
        nkd=dict(
            type='NKDLoss',
            standardize=True,
            temperature=1.0,
            gamma=1.5,
            weight_schedule=dict(
                type='LinearLR',
                start_factor=0.01,
                end=1,
                convert_to_iter_based=True,
            ),
        )
    ),
)
