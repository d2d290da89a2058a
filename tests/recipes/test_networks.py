"""What is read of a network's config: pipelines, image size, class."""

import pytest
from mmengine.config import Config

from mmnkd.recipes.networks import Network


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
