"""What is read of a network's config: pipelines, image size, class."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from safetensors.torch import save_file

from mmnkd.recipes.folder import ImageFolder, read_image_folder
from mmnkd.recipes.networks import Network
from mmnkd.recipes.teachers import _classes_in
from mmnkd.recipes.text import Commented
from mmnkd.recipes.writer import data_keys, plain_keys, set_values
from mmnkd.teacher.source import beside


def trained_on(*steps):
    """Return a network whose training images go through some steps."""
    loader = {'dataset': {'type': 'ImageNet', 'pipeline': list(steps)}}
    config = Config({'train_dataloader': loader})
    return Network('mine', ('mine.py',), config, {}, 10)


@pytest.mark.parametrize(
    ('step', 'size'),
    [
        ({'type': 'RandomResizedCrop', 'scale': 160}, 160),
        ({'type': 'RandomCrop', 'crop_size': (32, 32)}, 32),
        ({'type': 'RandomResizedCrop', 'size': 192, 'scale': (0.08, 1)}, 192),
        ({'type': 'RandomAffine', 'scale': (0.8, 1.2)}, 224),
        ({'type': 'PackInputs'}, 224),
    ],
)
def test_the_size_of_images_is_no_share_of_their_area(step, size):
    assert trained_on({'type': 'LoadImageFromFile'}, step).image_size == size


def test_a_class_is_as_good_as_its_name():
    network = trained_on()
    network.config.model = {'type': ImageClassifier}
    assert network.type == 'ImageClassifier'


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
@pytest.mark.parametrize(
    'last', ['head.fc.weight', 'fc.weight', 'classifier.3.weight']
)
def test_the_classes_of_a_file_are_those_of_its_classifier(
    suffix, last, tmp_path
):
    weights = {
        'stages.0.se.fc.0.weight': torch.zeros(5, 4),
        last: torch.zeros(7, 4),
        last.replace('weight', 'bias'): torch.zeros(7),
        'norm.count': torch.tensor(3),
        'stem.bn.weight': torch.zeros(4),
    }
    path = tmp_path / f'x.{suffix}'
    if suffix == 'pth':
        torch.save(weights, path)
    else:
        save_file(weights, path)
    assert _classes_in(str(path)) == 7


def test_values_behind_a_comment_are_set():
    losses = {'nkd': {'type': 'NKDLoss', 'gamma': 1.5}}
    keys = {'model': {'distill_losses': Commented('Published.', losses)}}
    setting = ['model.distill_losses.nkd.gamma=2']
    set_values(keys, losses, setting, {'model': {}})
    assert losses['nkd']['gamma'] == 2


def test_no_count_of_classes_is_written_where_none_was():
    network = trained_on()
    network.config.model = {'backbone': {}, 'head': {'topk': (1, 5)}}
    keys = plain_keys(network._replace(classes=None), 3)
    assert keys['model'] == {'head': {'topk': (1,)}}


def test_classes_are_in_the_order_of_their_names(tmp_path):
    for path in ('apple/1.png', 'apple/2.png', 'Zebra/1.png', 'Zebra/2.png'):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert read_image_folder(str(tmp_path)).classes == ['Zebra', 'apple']


def test_each_metric_of_several_fits_the_classes(tmp_path):
    network = trained_on({'type': 'LoadImageFromFile'})
    one = {'type': 'Accuracy', 'topk': (1, 5)}
    other = {'type': 'SingleLabelMetric'}
    network.config.val_evaluator = [one, other]
    images = ImageFolder(tmp_path, ['a', 'b'], 'train', 'val', [['1'], ['2']])
    keys = data_keys(network, images, None)
    assert keys['val_evaluator'] == [{**one, 'topk': (1,)}, other]


def test_a_config_on_another_drive_is_named_by_its_absolute_path(monkeypatch):
    def other_drive(*paths):
        raise ValueError('path is on mount')

    monkeypatch.setattr(os.path, 'relpath', other_drive)
    assert beside('/d/base.py', Path('/c/my.py')) == '/d/base.py'
    assert beside('pkg::a.py', Path('/c/my.py')) == 'pkg::a.py'
