"""Batches of noise, where a training's images are missing."""

import pytest
import tiny
from mmengine.config import Config

from mmnkd.diagnosis.batches import Batches, random_batches


@pytest.mark.parametrize(
    ('steps', 'size'),
    [
        ([{'scale': 12}, {'crop_size': (5, 7)}], (5, 7)),
        ([{'size': 9, 'scale': (0.08, 1.0)}], (9, 9)),
        ([{'size': 9}, {'scale': (0.02, 0.33)}], (9, 9)),
    ],
)
def test_noise_has_the_size_of_the_training_images(steps, size):
    loader = {'batch_size': 2, 'dataset': {'pipeline': steps}}
    config = Config({'train_dataloader': loader})
    model = tiny.build(tiny.resnet())
    (batch,) = random_batches(model, config, Batches(), count=1)
    assert batch['inputs'].shape[-2:] == size
