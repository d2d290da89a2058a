"""The losses on logits as modules, and what to try them on."""

import torch

from mmnkd import functional

STUDENT = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
TEACHER = STUDENT.flip(0) * 2
TARGET = torch.tensor([0, 6, 3, 3, 1])
RLD = {'temperature': 2.0, 'alpha': 0.5, 'beta': 3.0}
WKD = {'temperature': 2.0, 'gamma': 3.0, 'cost': 0.62}
ENTROPY = {'type': 'entropy', 'temperature': 2.0}
ON_LOGITS = {  # type: (function, whether it takes the target, settings)
    'NKDLoss': (functional.nkd_loss, True, {'temperature': 3, 'gamma': 3.5}),
    'KDLoss': (functional.kd_loss, False, {'temperature': 4}),
    'DKDLoss': (
        functional.dkd_loss,
        True,
        {'temperature': 2, 'alpha': 0.5, 'beta': 3},
    ),
    'WSLDLoss': (functional.wsld_loss, True, {'temperature': 3}),
    'DISTLoss': (
        functional.dist_loss,
        False,
        {'temperature': 2, 'beta': 2, 'gamma': 3},
    ),
    'TTMLoss': (functional.ttm_loss, False, {'temperature': 4.0}),
    'WTTMLoss': (functional.wttm_loss, False, {'temperature': 4.0}),
    'RLDLoss': (functional.rld_loss, True, {**RLD, 'alpha_temperature': 1.0}),
    'WKDLoss': (functional.wkd_loss, True, {**WKD, 'iterations': 3}),
    'HardLabelLoss': (functional.hard_loss, False, {}),
}


def total(result):
    """Return the sum of what mmengine sums."""
    return result if isinstance(result, torch.Tensor) else sum(result.values())
