"""The digits of scikit-learn: their split, and what is refused."""

import sys

import numpy as np
import pytest

from mmnkd.datasets import Digits


def test_every_third_image_of_a_class_is_for_the_test():
    train, test = (Digits(split=split) for split in ('train', 'test'))
    assert len(train) + len(test) == 1797
    labels = np.bincount(test.get_gt_labels())
    assert len(labels) == 10
    assert np.array_equal(
        labels, (np.bincount(train.get_gt_labels()) + labels) // 3
    )
    image = train.get_data_info(0)['img']
    assert (image.shape, image.dtype) == ((8, 8, 3), np.uint8)
    assert 200 < image.max() <= 255


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="'train' or 'test', but got 'val'"):
        Digits(split='val')


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ImportError, match=r'Run: pip install "mmnkd\[demo\]"'):
        Digits(split='train')
