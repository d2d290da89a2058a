"""The newer losses on logits, and their golden values."""

from pathlib import Path

import numpy as np
import reference_newer as reference
import torch

from mmnkd.functional import (
    hard_loss,
    rld_loss,
    ttm_loss,
    wkd_loss,
    wttm_loss,
)

GOLDEN = np.load(Path(__file__).parent / 'golden_new.npz')


def logits(shape, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(shape, generator=generator, dtype=torch.float64)
    return scale * draw


def hard(shape, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(shape[1], shape[:1], generator=generator)


def matrix(classes, seed=3):
    """A cost of no symmetry, with 0 on the diagonal."""
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand((classes, classes), generator=generator).double()
    return cost.fill_diagonal_(0)


COSTS = {classes: matrix(classes) for classes in (2, 3, 7, 9, 11, 50, 100)}
WKD = {'temperature': 2.0, 'gamma': 30.0}
SINKHORN = {'regularization': 0.05, 'iterations': 10}
RLD = {'alpha': 0.5, 'beta': 8.0}


def wkd_matrix_loss(student, teacher, target, **settings):
    cost = COSTS[student.shape[1]].to(student.device)
    return wkd_loss(student, teacher, target, cost=cost, **settings)


def wkd_matrix_oracle(student, teacher, targets, **settings):
    cost = COSTS[len(student[0])].tolist()
    return reference.wkd(student, teacher, targets, cost=cost, **settings)


LOSSES = {  # the loss, its oracle, whether both take a target, settings
    'ttm': (ttm_loss, reference.ttm, False, {'temperature': 4.0}),
    'wttm': (wttm_loss, reference.wttm, False, {'temperature': 1.25}),
    'rld': (
        rld_loss,
        reference.rld,
        True,
        {'temperature': 4.0, 'alpha_temperature': 2.0, **RLD},
    ),
    'hard': (hard_loss, reference.hard, False, {}),
    'wkd': (wkd_loss, reference.wkd, True, {'cost': 0.62, **WKD, **SINKHORN}),
    'wkd of a matrix': (
        wkd_matrix_loss,
        wkd_matrix_oracle,
        True,
        {**WKD, **SINKHORN},
    ),
}


def cases(loss):
    """Return the golden cases of a loss."""
    keys = {key.rsplit('/', 1)[0] for key in GOLDEN.files}
    return sorted(key for key in keys if key.split('/')[1] == loss)


def golden(case, field):
    return torch.from_numpy(GOLDEN[f'{case}/{field}'])


def settings_of(case):
    """Return the hyper-parameters of a case."""
    prefix = f'{case}/param.'
    return {
        key.removeprefix(prefix): GOLDEN[key].item()
        for key in GOLDEN.files
        if key.startswith(prefix)
    }


def check_golden(case, function, suffix=''):
    """Compare value and gradient with the golden ones, to 1e-9."""
    student = golden(case, 'logits_student').requires_grad_()
    loss = function(student, golden(case, 'logits_teacher'))
    loss.backward()
    value = golden(case, f'loss{suffix}')
    torch.testing.assert_close(loss, value, rtol=1e-9, atol=0)
    expected = golden(case, f'grad_student{suffix}')
    error = (student.grad - expected).norm() / expected.norm()
    assert error <= 1e-9
