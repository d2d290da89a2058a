"""Random logits and labels, and the losses on logits to try on them."""

from collections.abc import Callable
from typing import NamedTuple

import newer
import pytest
import reference
import torch
import torch.nn.functional as F

from mmnkd.functional import (
    dist_loss,
    dkd_loss,
    kd_loss,
    nkd_loss,
    standardize,
    tf_nkd_loss,
    uskd_loss,
    wsld_loss,
)
from mmnkd.functional.closed_form import _forms

logits, hard = newer.logits, newer.hard
SHAPES = [(5, 7), (1, 2), (3, 2), (1, 11), (4, 1000)]


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


class Loss(NamedTuple):
    """A loss and its oracle, both called with all there may be."""

    function: Callable
    oracle: Callable
    takes: tuple  # which of student's, teacher's or weak logits and target
    settings: dict

    def __call__(self, *inputs, **kwargs):
        taken = [inputs[position] for position in self.takes]
        return self.function(*taken, **self.settings, **kwargs)

    def in_loops(self, *inputs):
        taken = [inputs[position].tolist() for position in self.takes]
        return self.oracle(*taken, **self.settings)

    def closed(self):
        """Take the closed form, which few logits don't by themselves."""
        return self._replace(function=_forms('closed')(self.function))

    def plain(self):
        return self._replace(function=_forms('plain')(self.function))


ST, SY, STY = (0, 1), (0, 2), (0, 1, 2)
WITH_TEACHER = {
    'nkd': Loss(
        nkd_loss, reference.nkd, STY, {'temperature': 3, 'gamma': 3.5}
    ),
    'nkd at 1': Loss(
        nkd_loss, reference.nkd, STY, {'temperature': 1, 'gamma': 1}
    ),
    'kd': Loss(kd_loss, reference.kd, ST, {'temperature': 4}),
    'dkd': Loss(
        dkd_loss,
        reference.dkd,
        STY,
        {'temperature': 4, 'alpha': 0.5, 'beta': 8},
    ),
    'wsld': Loss(wsld_loss, reference.wsld, STY, {'temperature': 2}),
    'dist': Loss(
        dist_loss,
        reference.dist,
        ST,
        {'temperature': 2, 'beta': 2, 'gamma': 3},
    ),
}
CLOSED = {
    f'{name}, closed': WITH_TEACHER[name].closed()
    for name in ('nkd', 'nkd at 1', 'dkd')
}
WITH_TEACHER.update(CLOSED)
LOSSES = {
    **WITH_TEACHER,
    'tf_nkd': Loss(tf_nkd_loss, reference.tf_nkd, SY, {}),
    'uskd': Loss(
        uskd_loss, reference.uskd, STY, {'alpha': 0.5, 'beta': 0.3, 'mu': 0.2}
    ),
}


def standardized_kd(student, teacher, **settings):
    return kd_loss(standardize(student), standardize(teacher), **settings)


def standardized_kd_in_loops(student, teacher, **settings):
    pair = map(reference.standardize, (student, teacher))
    return reference.kd(*pair, **settings)


EVERY = {
    **LOSSES,
    **{
        name: Loss(loss, oracle, STY if takes_target else ST, settings)
        for name, (
            loss,
            oracle,
            takes_target,
            settings,
        ) in newer.LOSSES.items()
    },
    'standardized': Loss(
        standardized_kd, standardized_kd_in_loops, ST, {'temperature': 1}
    ),
}


def each(losses):
    """Run a test once for each of the losses."""
    return pytest.mark.parametrize('loss', losses.values(), ids=losses.keys())


def each_with_targets(losses):
    """Run it for each loss and both kinds of labels, where it takes any."""
    return pytest.mark.parametrize(
        ('loss', 'make_target'),
        [
            pytest.param(
                loss, make_target, id=f'{make_target.__name__}-{name}'
            )
            for name, loss in losses.items()
            for make_target in (hard, mixed)[: 1 + (2 in loss.takes)]
        ],
    )


def gradient_of(loss, student, *inputs, **kwargs):
    """Return the gradient of the sum of a loss."""
    leaf = student.detach().clone().requires_grad_()
    loss(leaf, *inputs, **kwargs).sum().backward()
    return leaf.grad
