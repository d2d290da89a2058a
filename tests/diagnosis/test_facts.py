"""Facts of data and images, and what is wrong with them."""

import math

import torch

from mmnkd.datasets import Digits
from mmnkd.diagnosis import data, facts
from mmnkd.diagnosis.data import read_labels
from mmnkd.diagnosis.facts import (
    check_data_facts,
    check_image_facts,
    describe_data,
    describe_images,
)


def test_images_are_counted_by_class():
    dataset = Digits(split='train')
    found = describe_data(dataset, read_labels(dataset))
    labels = [dataset.get_data_info(k)['gt_label'] for k in range(1201)]
    assert (found.images, found.counted) == (1201, 1201)
    assert list(found.counts.values()) == [labels.count(k) for k in range(10)]


def test_a_large_data_set_is_counted_in_part(monkeypatch):
    monkeypatch.setattr(data, '_MOST_LABELS', 100)
    dataset = Digits(split='train')
    found = describe_data(dataset, read_labels(dataset))
    assert found.images == 1201
    assert found.counted == sum(found.counts.values()) == 93


def test_a_class_without_images_is_a_warning():
    counts = {'cat': 3, 'dog': 0}
    data = facts.DataFacts('CustomDataset', 3, 3, counts)
    (finding,) = check_data_facts(data)
    assert finding.name == 'class-empty'
    assert '1 have none: dog' in finding.message
    part = facts.DataFacts('CustomDataset', 300, 3, counts)
    assert not check_data_facts(part)


def test_other_classes_in_validation_are_an_error():
    data = facts.DataFacts('CustomDataset', 4, 4, {'cat': 2, 'dog': 2})
    assert not check_data_facts(data, ['cat', 'dog'], ['cat', 'dog'])
    (finding,) = check_data_facts(data, ['cat', 'dog'], ['dog', 'fox'])
    assert (finding.name, finding.level) == ('val-classes', 'error')
    assert 'cat, dog in training and dog, fox in val' in finding.message


def test_image_is_described_by_its_own_values():
    images = torch.zeros(2, 1, 2, 2)
    images[0] = torch.tensor([[-1.0, 1.0], [1.0, 3.0]])
    found = describe_images(images)
    assert found.shape == (1, 2, 2)
    assert (found.low, found.high, found.mean) == (-1, 3, 1)
    assert math.isclose(found.std, images[0].std().item())


def test_values_that_are_not_normalized_are_a_warning():
    raw = describe_images(255 * torch.rand(1, 3, 8, 8))
    flat = describe_images(torch.rand(1, 3, 8, 8) / 255)
    normal = describe_images(torch.randn(1, 3, 8, 8))
    given = {'the student': normal, 'the teacher': raw, 'another': flat}
    found = check_image_facts(given)
    assert [f.name for f in found] == ['image-scale'] * 2
    assert 'but the teacher gets' in found[0].message
