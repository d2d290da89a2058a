"""Schedules of weights against the length of a training."""

import pytest

from mmnkd.diagnosis.schedules import check_learning_rate, check_schedules

EPOCHS = {'type': 'LinearLR', 'end': 5}
ITERATIONS = {'type': 'LinearLR', 'end': 5, 'by_epoch': False}


@pytest.mark.parametrize(
    ('scheduler', 'epochs', 'iterations', 'expected'),
    [
        (EPOCHS, 5, 50, []),
        (EPOCHS, 4, 40, [('schedule-end', 'warning')]),
        (EPOCHS, None, 40, [('schedule-epochs', 'error')]),
        (EPOCHS, 0, 40, [('schedule-epochs', 'error')]),
        (EPOCHS, None, None, []),
        (ITERATIONS, None, 5, []),
        (ITERATIONS, 2, 4, [('schedule-end', 'warning')]),
        (ITERATIONS, None, 4, [('schedule-end', 'warning')]),
        ({'type': 'ConstantLR'}, 1, 4, []),
    ],
)
def test_a_schedule_ends_in_the_training(
    scheduler, epochs, iterations, expected
):
    found = check_schedules({'nkd': [scheduler]}, epochs, iterations)
    assert [(f.name, f.level) for f in found] == expected
    assert all("'nkd'" in finding.message for finding in found)


STEPS = {'type': 'MultiStepLR', 'milestones': [30, 60, 90]}
COSINE = {'type': 'CosineAnnealingLR', 'T_max': 95, 'begin': 5}
BY_ITERATION = {'type': 'MultiStepLR', 'milestones': [9], 'by_epoch': False}


@pytest.mark.parametrize(
    ('scheduler', 'epochs', 'iterations', 'told'),
    [
        (STEPS, 100, None, None),
        (STEPS, 20, None, 'MultiStepLR has milestones=[30, 60, 90]'),
        (COSINE, 100, None, None),
        (COSINE, 99, None, 'CosineAnnealingLR has T_max=95'),
        (BY_ITERATION, None, 9, None),
        (BY_ITERATION, None, 8, "training's 8 iterations"),
        (BY_ITERATION, 1, None, None),
        ({'type': 'CosineAnnealingLR', 'begin': 5}, 4, None, None),
    ],
)
def test_the_learning_rate_falls_in_the_training(
    scheduler, epochs, iterations, told
):
    found = check_learning_rate([scheduler], epochs, iterations)
    assert [f.name for f in found] == (['lr-schedule'] if told else [])
    assert all(told in finding.message for finding in found)
