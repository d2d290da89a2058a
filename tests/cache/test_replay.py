import json
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS
from torch.utils.data import SequentialSampler
from views import (
    CROP,
    digits,
    epochs_of,
    images_by_view,
    loader,
    replayed,
    same_images,
)

from mmnkd.cache import ReplayedDataset, ReplayedSampler

POLICY = {
    'policies': 'timm_increasing',
    'num_policies': 2,
    'total_level': 10,
    'magnitude_level': 9,
    'magnitude_std': 0.5,
}
TRANSFORMATIONS = {
    'RandomResizedCrop': {'scale': 8},
    'RandomFlip': {'prob': 0.5},
    'RandomCrop': {'crop_size': 8, 'padding': 2},
    'RandAugment': POLICY,
    'AutoAugment': {'policies': 'imagenet'},
    'RandomErasing': {'erase_prob': 0.8, 'mode': 'rand'},
    'ColorJitter': {'brightness': 0.5, 'contrast': 0.5, 'saturation': 0.5},
    'Lighting': {
        'eigval': [55.4, 4.8, 1.1],
        'eigvec': [[-0.6, 0.7, 0.4], [-0.6, 0.0, -0.8], [-0.6, -0.7, 0.4]],
        'to_rgb': False,
    },
    'torchvision/RandomAffine': {'degrees': 30},
}


@pytest.fixture(scope='module')
def expected():
    """Return the views of two epochs, one by one."""
    dataset = replayed()
    views = [(epoch, i) for epoch in range(2) for i in range(len(dataset))]
    return {view: dataset[view]['inputs'] for view in views}


@pytest.mark.parametrize('name', TRANSFORMATIONS)
def test_a_transform_draws_a_view_again_whatever_came_before(name):
    transforms = [{'type': name, **TRANSFORMATIONS[name]}]
    if name.startswith('torchvision'):
        transforms = [
            {'type': 'NumpyToPIL', 'to_rgb': True},
            *transforms,
            {'type': 'PILToNumpy', 'to_bgr': True},
        ]
    first, second = (replayed(*transforms, count=30) for _ in range(2))
    views = [(epoch, i) for epoch in range(2) for i in range(30)]
    images = {view: first[view]['inputs'] for view in views}
    np.random.normal()  # leaves a second number in the generator
    for view in reversed(views):
        assert torch.equal(second[view]['inputs'], images[view])
    differing = [
        not torch.equal(images[0, i], images[1, i]) for i in range(30)
    ]
    assert any(differing), 'nothing was random'


@pytest.mark.parametrize(
    ('workers', 'persistent', 'batch_size'),
    [
        (0, False, 7),
        (1, False, 7),
        (3, False, 7),
        (3, True, 7),
        (0, False, 64),
    ],
)
def test_views_are_the_same_for_any_workers_and_batches(
    expected, workers, persistent, batch_size
):
    data = loader(
        num_workers=workers,
        persistent_workers=persistent,
        batch_size=batch_size,
    )
    assert same_images(images_by_view(epochs_of(data)), expected)


@pytest.mark.parametrize('kind', ['DefaultSampler', 'InfiniteSampler'])
def test_two_ranks_see_the_views_of_one(monkeypatch, expected, kind):
    found = {}
    for rank in range(2):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda r=rank: (r, 2)
        )
        data = loader(sampler={'type': kind, 'shuffle': True})
        if kind == 'InfiniteSampler':
            batches = (b for b, _ in zip(data, range(3)))
        else:
            batches = epochs_of(data)
        found.update(images_by_view(batches))
    assert all(torch.equal(expected[v], image) for v, image in found.items())
    if kind == 'DefaultSampler':
        assert found.keys() == expected.keys()


@pytest.mark.parametrize('workers', [0, 2])
def test_an_infinite_sampler_counts_its_passes(expected, workers):
    data = loader(
        sampler={'type': 'InfiniteSampler', 'shuffle': True},
        num_workers=workers,
    )
    batches = [batch for batch, _ in zip(data, range(6))]
    assert same_images(images_by_view(batches), expected)


def test_seeds_and_epochs_draw_other_views_and_epochs_can_wrap_round():
    views = [(epoch, i) for epoch in range(3) for i in range(21)]
    base, other, wrapped = replayed(), replayed(seed=1), replayed(epochs=2)
    changed = [
        not torch.equal(base[view]['inputs'], other[view]['inputs'])
        for view in views
    ]
    assert sum(changed) > len(views) / 2
    sample = wrapped[2, 5]['data_samples']
    assert sample.view == (0, 5)
    assert torch.equal(wrapped[2, 5]['inputs'], base[0, 5]['inputs'])
    assert json.loads(sample.replay)['wrap'] == 2


def test_the_generators_go_on_as_if_nothing_had_been_drawn():
    def numbers():
        return random.random(), np.random.rand(), torch.rand(1).item()

    def start():
        random.seed(5), np.random.seed(5), torch.manual_seed(5)
        numbers()

    dataset = replayed()
    start()
    expected = numbers()
    start()
    dataset[0, 3]
    assert numbers() == expected
    broken = replayed()
    broken.dataset.pipeline.transforms.insert(0, lambda data: 1 / 0)
    start()
    with pytest.raises(ZeroDivisionError):
        broken[0, 3]
    assert numbers() == expected


def test_a_replayed_data_set_can_be_pickled_and_has_the_classes(expected):
    dataset = pickle.loads(pickle.dumps(replayed()))
    assert torch.equal(dataset[1, 2]['inputs'], expected[1, 2])
    assert dataset.metainfo['classes'][3] == '3'
    assert dataset.get_cat_ids(4) == [dataset.get_data_info(4)['gt_label']]


def test_the_text_of_a_sample_tells_data_pipeline_and_seed():
    def parts(*transforms, **options):
        return json.loads(replayed(*transforms, **options).replay)

    base = parts()
    assert base['count'] == '21'
    assert parts() == base

    def changed(other):
        return {k for k in base if base[k] != other[k]}

    assert changed(parts(count=20)) == {'count', 'samples'}
    assert changed(parts({**CROP, 'padding': 1})) == {'pipeline'}
    assert changed(parts(seed=4)) == {'seed'}


@TRANSFORMS.register_module()
class OwnGenerator:
    def __init__(self):
        self.aug = [np.random.default_rng()]

    def __call__(self, data):
        data['img'] = data['img'] + self.aug[0].integers(0, 9, dtype='uint8')
        return data


class Compose:
    """Like Albumentations' from 1.4.21 on."""

    def __init__(self):
        self.generator = np.random.default_rng()

    def set_random_seed(self, seed):
        self.generator = np.random.default_rng(seed)


@TRANSFORMS.register_module()
class Seedable:
    def __init__(self):
        self.aug = Compose()

    def __call__(self, data):
        noise = self.aug.generator.integers(0, 9, dtype='uint8')
        return {**data, 'img': data['img'] + noise}


def test_a_generator_of_a_transform_is_seeded_or_refused():
    first, second = (replayed({'type': 'Seedable'}) for _ in range(2))
    first[0, 1]
    images = [d[1, 2]['inputs'] for d in (first, second)]
    assert torch.equal(*images)
    with pytest.raises(ValueError, match='OwnGenerator has a Generator of it'):
        replayed({'type': 'OwnGenerator'})
    repeated = {
        'type': 'RepeatDataset',
        'times': 2,
        'dataset': digits({'type': 'OwnGenerator'}),
    }
    with pytest.raises(ValueError, match='OwnGenerator has a Generator'):
        ReplayedDataset(repeated)


def test_what_cannot_be_replayed_is_refused():
    dataset = replayed()
    with pytest.raises(TypeError, match='Put a ReplayedSampler around'):
        dataset[3]
    with pytest.raises(ValueError, match='RepeatAugSampler draws it several'):
        ReplayedSampler({'type': 'RepeatAugSampler'}, dataset)
    with pytest.raises(ValueError, match='SequentialSampler has none'):
        ReplayedSampler(SequentialSampler(dataset), dataset)
    with pytest.raises(TypeError, match='Expected a ReplayedDataset'):
        ReplayedSampler({'type': 'DefaultSampler'}, dataset.dataset)
    with pytest.raises(ValueError, match='`seed` to be an int >= 0'):
        replayed(seed=-1)
    with pytest.raises(ValueError, match='`epochs` to be a positive int'):
        replayed(epochs=0)
    bare = ReplayedDataset({**digits(), 'pipeline': []})
    with pytest.raises(TypeError, match="pipeline ends in 'PackInputs'"):
        bare[0, 0]


def test_a_second_pass_without_set_epoch_is_refused():
    data = loader()
    list(data)
    with pytest.raises(RuntimeError, match='Leave `sampler_seed` in'):
        list(data)
