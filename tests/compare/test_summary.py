"""Rows, pairs, and what a reader is told of the runs."""

import math
from pathlib import Path

import pytest

from mmnkd.compare.runs import Run
from mmnkd.compare.summary import Band, choose_metric, notes, summarize

TOP1 = 'accuracy/top1'


def run(*values, seed=None, metric=TOP1):
    """Return a run with a value an epoch."""
    curve = dict(enumerate(values, 1))
    val, train = {metric: curve, 'time': curve}, {'time': {1: 0.1, 2: 0.3}}
    return Run(Path(f'run_{values[-1]}'), val=val, train=train, seed=seed)


def test_a_row_has_final_best_and_the_paired_difference():
    runs = {
        'a': [run(1.0, 5.0, 4.0, seed=1), run(2.0, 3.0, 6.0, seed=2)],
        'b': [run(0.0, 1.0, 8.0, seed=2), run(0.0, 9.0, 7.0, seed=1)],
    }
    first, second = summarize(runs, TOP1)
    assert (first.final, first.best) == ([4.0, 6.0], [5.0, 6.0])
    assert first.difference is None
    assert second.difference.mean == 2.5  # 7 - 4 and 8 - 6
    assert (second.difference.n, second.difference.is_paired) == (2, True)
    assert first.seconds == pytest.approx(0.2)
    assert notes(runs, TOP1) == []


def test_the_best_of_an_error_is_the_smallest():
    runs = {'a': [run(3.0, 1.0, 2.0, metric='loss')]}
    assert summarize(runs, 'loss')[0].best == [1.0]


def test_an_error_that_rises_is_worse():
    metric = 'calibration/ece'
    runs = {
        name: [
            run(0.9, value + s / 100, seed=s, metric=metric) for s in (1, 2)
        ]
        for name, value in (('a', 0.1), ('b', 0.3))
    }
    first, second = summarize(runs, metric)
    assert first.best == pytest.approx([0.11, 0.12])
    assert second.difference.verdict == 'worse'


@pytest.mark.parametrize('seeds', [(None, None), (1, 1), (3, 4)])
def test_runs_without_common_seeds_are_two_groups(seeds):
    runs = {
        'a': [run(1.0, seed=1), run(2.0, seed=2)],
        'b': [run(float(4 + n), seed=s) for n, s in enumerate(seeds)],
    }
    gain = summarize(runs, TOP1)[1].difference
    assert not gain.is_paired
    assert gain.mean == 3
    assert 'b and a have no seeds in common' in notes(runs, TOP1)[0]


def test_runs_of_unequal_length_are_told():
    runs = {
        'a': [run(1.0, 2.0, 3.0, seed=1), run(1.0, 2.5, 4.0, seed=2)],
        'b': [run(1.0, 2.0, seed=1), run(1.0, 2.0, 3.5, seed=2)],
    }
    (note,) = notes(runs, TOP1)
    assert 'epoch 2: b; epoch 3: a (2 runs), b' in note
    band = Band.of([r.val[TOP1] for r in runs['b']])
    assert (band.steps, band.middle) == ([1, 2], [1.0, 2.0])


def test_a_band_has_mean_and_standard_deviation():
    band = Band.of([{1: 1.0, 2: 2.0}, {1: 3.0, 2: 2.0, 3: 9.0}])
    assert band.steps == [1, 2]
    assert band.middle == [2.0, 2.0]
    assert band.std == [pytest.approx(math.sqrt(2)), 0.0]


def test_the_metric_is_top1_or_what_all_have():
    other = {'a': [run(1.0, metric='mAP')], 'b': [run(1.0, metric='mAP')]}
    assert choose_metric(other, None) == 'mAP'
    other['a'][0].val[TOP1] = other['b'][0].val[TOP1] = {1: 1.0}
    assert choose_metric(other, None) == TOP1
    assert choose_metric(other, 'mAP') == 'mAP'


def test_a_metric_that_a_run_lacks_is_told():
    runs = {'a': [run(1.0)], 'b': [run(2.0, metric='mAP')]}
    with pytest.raises(ValueError, match=f"metric '{TOP1}'.* run_2.0 has non"):
        choose_metric(runs, TOP1)
    with pytest.raises(ValueError, match=r'no metric is in all.*\[\]'):
        choose_metric(runs, None)
    never = {'a': [Run(Path('no_validation'))]}
    with pytest.raises(ValueError, match='a validation metric.* no_val'):
        choose_metric(never, None)
