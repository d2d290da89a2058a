"""Random logits and labels, and the losses with a teacher to try on them."""

import pytest
import reference
import torch
import torch.nn.functional as F

from mmnkd.functional import (
    dist_loss,
    dkd_loss,
    kd_loss,
    nkd_loss,
    wsld_loss,
)

SHAPES = [(5, 7), (1, 2), (3, 2), (1, 11), (4, 1000)]


def logits(shape, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(shape, generator=generator, dtype=torch.float64)
    return scale * draw


def hard(shape, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(shape[1], shape[:1], generator=generator)


def mixed(shape, seed=7):
    """Scores with two classes a sample; the first sample has one only."""
    n, c = shape
    scores = torch.zeros(shape, dtype=torch.float64)
    first = hard(shape, seed)
    share = torch.linspace(0.6, 0.9, n, dtype=torch.float64)
    scores[torch.arange(n), first] = share
    scores[torch.arange(n), (first + 1) % c] = 1 - share
    scores[0] = F.one_hot(first[0], c)
    return scores


TARGETS = pytest.mark.parametrize('make_target', [hard, mixed])


WITH_TEACHER = {  # the loss, its oracle, whether both take a target, settings
    'nkd': (nkd_loss, reference.nkd, True, {'temperature': 3, 'gamma': 3.5}),
    'nkd at 1': (
        nkd_loss,
        reference.nkd,
        True,
        {'temperature': 1, 'gamma': 1},
    ),
    'kd': (kd_loss, reference.kd, False, {'temperature': 4}),
    'dkd': (
        dkd_loss,
        reference.dkd,
        True,
        {'temperature': 4, 'alpha': 0.5, 'beta': 8},
    ),
    'wsld': (wsld_loss, reference.wsld, True, {'temperature': 2}),
    'dist': (
        dist_loss,
        reference.dist,
        False,
        {'temperature': 2, 'beta': 2, 'gamma': 3},
    ),
}
