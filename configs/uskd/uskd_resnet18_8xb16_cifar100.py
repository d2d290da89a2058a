"""ResNet-18 with USKD (arXiv 2303.13005), without a teacher, on CIFAR-100.

    tools/dist_train.sh configs/uskd/uskd_resnet18_8xb16_cifar100.py 8

Top-1, the paper's: 79.90 (baseline not known).
"""

_base_ = '../baseline/baseline_resnet18_8xb16_cifar100.py'
model = dict(
    type='DistilledClassifier',
    distill_losses=dict(
        uskd=dict(
            type='USKDLoss',
            student_taps=['logits', 'backbone.layer3'],
            alpha=0.1,
            mu=0.1,
        ),
    ),
)
