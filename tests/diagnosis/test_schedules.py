"""Schedules of weights against the length of a training."""

import pytest

from mmnkd.diagnosis.schedules import check_schedules

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
