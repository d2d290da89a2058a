"""Differences agree with scipy's tests, and verdicts with their intervals."""

import math

import pytest
from scipy.stats import ttest_ind, ttest_rel

from mmnkd.compare.statistics import (
    Difference,
    lower_is_better,
    paired_difference,
    spread,
    welch_difference,
)

OURS = {1: 95.2, 2: 96.1, 3: 95.9, 7: 50.0}
THEIRS = {3: 95.1, 2: 95.3, 1: 95.0, 9: 10.0}


def test_pairs_are_those_of_one_seed():
    gain = paired_difference(OURS, THEIRS)
    ours, theirs = ([x[seed] for seed in (1, 2, 3)] for x in (OURS, THEIRS))
    interval = ttest_rel(ours, theirs).confidence_interval()
    assert gain.n == 3
    assert gain.is_paired
    assert gain.mean - gain.half == pytest.approx(interval.low)
    assert gain.mean + gain.half == pytest.approx(interval.high)


def test_groups_without_pairs_get_welchs_interval():
    ours, theirs = [1.0, 2.0, 4.0, 4.5], [0.5, 0.7, 0.9]
    gain = welch_difference(ours, theirs)
    interval = ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert (gain.n, gain.is_paired) == (3, False)
    assert gain.mean - gain.half == pytest.approx(interval.low)
    assert gain.mean + gain.half == pytest.approx(interval.high)


def test_one_run_each_has_no_interval():
    for gain in (
        paired_difference({1: 3.0}, {1: 2.0}),
        welch_difference([3.0], [2.0]),
    ):
        assert gain.mean == 1
        assert math.isnan(gain.half)
        assert gain.verdict == 'open'
        assert str(gain) == '+1.00 (1)'


def test_nothing_in_common_is_nothing():
    gain = paired_difference({1: 3.0}, {2: 2.0})
    assert gain.verdict is None
    assert str(gain) == ''


@pytest.mark.parametrize(
    ('mean', 'half', 'verdict'),
    [(1.0, 0.9, 'better'), (-1.0, 0.9, 'worse'), (1.0, 1.1, 'open')],
)
def test_a_verdict_is_whether_the_interval_leaves_out_zero(
    mean, half, verdict
):
    gain = Difference(mean, half, 5)
    assert gain.verdict == verdict


def test_numbers_are_written_with_their_spread():
    assert spread([1.0, 3.0]) == '2.00 ± 1.41 (2)'
    assert spread([1.0]) == '1.00 (1)'
    assert str(Difference(0.5, 1.0, 4)) == '+0.50 [-0.50, +1.50] (4)'


def test_a_metric_that_should_fall_is_better_when_it_falls():
    falls = Difference(-1.0, 0.9, 3, lower_is_better=True)
    assert falls.verdict == 'better'
    assert falls._replace(mean=1.0).verdict == 'worse'
    assert falls._replace(mean=0.5).verdict == 'open'
    unknown = falls._replace(lower_is_better=None)
    assert unknown.verdict is None
    assert unknown._replace(mean=0.5).verdict == 'open'


@pytest.mark.parametrize(
    ('metric', 'expected'),
    [
        ('accuracy/top1', False),
        ('single-label/f1-score', False),
        ('multi-label/mAP', False),
        ('agreement/top1_where_teacher_is_wrong', False),
        ('agreement/kl', True),
        ('agreement/nkd_target', True),
        ('calibration/ece', True),
        ('calibration/confidence', None),
        ('val/loss', True),
        ('my/score', None),
    ],
)
def test_the_name_of_a_metric_tells_whether_it_should_fall(metric, expected):
    assert lower_is_better(metric) is expected
