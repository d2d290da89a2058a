"""The newer recipes by name: losses with their settings, published ones."""

ENTROPY = {'type': 'entropy'}
WARM_UP = {'type': 'LinearLR', 'start_factor': 1 / 20, 'end': 20}
IMAGENET = 'resnet34_resnet18_8xb32_in1k'
MOBILENET = 'resnet50_mobilenet-v1_8xb32_in1k'
CIFAR = 'resnet34_resnet18_8xb16_cifar100'
OVER_100 = {'type': 'CosineAnnealingLR', 'T_max': 100}
HARD = {'student_loss_weight': 0.5, 'hard': {'loss_weight': 0.5}}
NKD = {'nkd': {'temperature': 1.0, 'gamma': 1.5}}

NEWER = {
    f'wttm_{IMAGENET}': {'wttm': {'temperature': 1.25, 'loss_weight': 1.6}},
    f'wttm_{MOBILENET}': {
        'wttm': {'temperature': 1 / 0.7, 'loss_weight': 3.5}
    },
    f'wttm_{CIFAR}': {'wttm': {'temperature': 10.0, 'loss_weight': 3.0}},
    f'ttm_{CIFAR}': {'ttm': {'temperature': 10.0, 'loss_weight': 100.0}},
    f'rld_{IMAGENET}': {
        'rld': {'temperature': 1.0, 'alpha': 1.0, 'beta': 0.5}
    },
    f'rld_{MOBILENET}': {
        'rld': {'temperature': 1.0, 'alpha': 1.0, 'beta': 2.0}
    },
    f'rld_{CIFAR}': {
        'rld': {
            'temperature': 4.0,
            'alpha_temperature': None,
            'alpha': 1.0,
            'beta': 8.0,
            'weight_schedule': WARM_UP,
        }
    },
    f'wkd_{IMAGENET}': {
        'wkd': {
            'temperature': 2.0,
            'gamma': 30.0,
            'cost': 0.62,
            'regularization': 0.05,
            'iterations': 10,
            'gamma_schedule': OVER_100,
        }
    },
    f'wkd_{MOBILENET}': {
        'wkd': {
            'temperature': 2.0,
            'gamma': 25.0,
            'cost': 0.855,
            'gamma_schedule': OVER_100,
        }
    },
    f'wkd_{CIFAR}': {
        'wkd': {
            'temperature': 8.0,
            'gamma': 600.0,
            'cost': 0.401,
            'gamma_schedule': {'type': 'CosineAnnealingLR', 'begin': 125},
        }
    },
    f'hard_{IMAGENET}': HARD,
    f'hard_{MOBILENET}': HARD,
    f'hard_{CIFAR}': HARD,
    f'ea-kd_{IMAGENET}': {
        'kd': {
            'temperature': 1.0,
            'loss_weight': 0.5,
            'sample_weight': {**ENTROPY, 'temperature': 2.0},
        }
    },
    f'ea-kd_{CIFAR}': {
        'student_loss_weight': 0.1,
        'kd': {
            'temperature': 4.0,
            'loss_weight': 0.9,
            'sample_weight': {**ENTROPY, 'temperature': 3.0},
        },
    },
    f'ea-dkd_{IMAGENET}': {
        'dkd': {
            'temperature': 1.0,
            'alpha': 1.0,
            'beta': 0.5,
            'sample_weight': {**ENTROPY, 'temperature': 2.0},
        }
    },
    f'ea-dkd_{CIFAR}': {
        'dkd': {
            'temperature': 4.0,
            'alpha': 1.0,
            'beta': 8.0,
            'weight_schedule': WARM_UP,
            'sample_weight': {**ENTROPY, 'temperature': 3.0},
        }
    },
    'hard_regnety-160_deit-tiny-distilled_4xb256_in1k': {
        'student_loss_weight': 0.5,
        'hard': {
            'loss_weight': 0.5,
            'student_taps': 'head.layers.head_dist',
        },
    },
    'hard_regnety-160_levit-128s_8xb256_in1k': {
        'student_loss_weight': 0.5,
        'hard': {'loss_weight': 0.5, 'student_taps': 'head.head_dist'},
    },
    'feature-cosine_dinov2-base_resnet50_8xb32_in1k': {
        'cosine': {
            'student_taps': 'backbone.layer4',
            'teacher_taps': 'backbone',
            'student_channels': 2048,
            'teacher_channels': 768,
        }
    },
    'nkd_beitv2-base_resnet50-rsb-a2_8xb256_in1k': NKD,
    'nkd_beitv2-base_convnext-tiny_32xb128_in1k': NKD,
}
