"""Data sets that don't fit a student's head."""

import pytest
from mmpretrain.registry import DATASETS

from mmnkd.diagnosis import check_data
from mmnkd.diagnosis.data import read_labels


def digits(**options):
    config = {'type': 'Digits', 'split': 'train', 'pipeline': [], **options}
    return DATASETS.build(config)


class Listed:
    """A data set of labels alone."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        return {'gt_label': self.labels[index]}


def names(findings):
    return [(finding.name, finding.level) for finding in findings]


def test_a_data_set_that_fits_is_no_finding():
    assert not check_data(digits(), num_classes=10)
    assert not check_data(Listed([0, 2, 1]), num_classes=3)


def test_labels_beyond_the_head_are_an_error():
    (finding,) = check_data(Listed([0, 1, 5]), num_classes=5)
    assert finding.name == 'label-range'
    assert 'from 0 to 4' in finding.message
    assert 'got 0 to 5' in finding.message
    assert 'num_classes` to 6 or more' in finding.fix
    assert names(check_data(Listed([-1, 1]), num_classes=5)) == [
        ('label-range', 'error')
    ]


@pytest.mark.parametrize(('count', 'level'), [(9, 'error'), (11, 'warning')])
def test_a_head_of_another_size_is_found(count, level):
    findings = check_data(digits(), num_classes=count)
    assert findings[0].name == 'class-count'
    assert findings[0].level == level
    assert 'num_classes=10' in findings[0].fix


def test_an_empty_data_set_is_an_error():
    assert names(check_data(Listed([]))) == [('no-images', 'error')]


def test_samples_without_a_label_are_not_counted():
    assert check_data(Listed([0, -100, 1]), num_classes=2) == []
    assert read_labels(Listed([0, -100, 1])).tolist() == [0, 1]


@pytest.mark.parametrize('dataset', [Listed([[1, 2], [3]]), [1, 2]])
def test_data_sets_that_tell_no_label_are_no_finding(dataset):
    assert check_data(dataset, num_classes=2) == []


def test_a_large_data_set_is_read_in_part():
    class Large(Listed):
        reads = 0

        def get_data_info(self, index):
            self.reads += 1
            return super().get_data_info(index)

    large = Large([0] * 50_000)
    assert check_data(large, num_classes=2) == []
    assert 10_000 < large.reads <= 20_000
