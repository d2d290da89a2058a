"""A resumed training equals one that was not interrupted, bit for bit."""

import random

import numpy as np
import pytest
import tiny
import torch
from bits import assert_equal, assert_same_training
from mmengine.hooks import Hook
from torch.utils.data import DataLoader

from mmnkd.hooks.generators import _set_states, _states

CROP = [{'type': 'RandomCrop', 'crop_size': 8, 'padding': 1}]


def masked(by_epoch):
    """Return MGD, which draws masks, with a weight that rises."""
    schedule = {'type': 'LinearLR', 'start_factor': 0.5, 'end': 3}
    return {
        'mgd': {
            'type': 'MGDLoss',
            'student_taps': 'backbone.layer2',
            'teacher_taps': 'backbone.layer2',
            'mask_ratio': 0.5,
            'weight_schedule': {**schedule, 'by_epoch': by_epoch},
        }
    }


class Draws(Hook):
    """A validation that draws, as some metrics do."""

    def after_val_iter(self, runner, *args, **kwargs):
        torch.rand(1), np.random.rand(), random.random()


def training(work_dir, transforms, by_epoch, own_hook=True, **keys):
    loader = {
        'batch_size': 16,
        'num_workers': 0,
        'dataset': {
            'type': 'Digits',
            'split': 'train',
            'indices': 64,
            'pipeline': [*transforms, {'type': 'PackInputs'}],
            'serialize_data': False,
        },
        'sampler': {
            'type': 'DefaultSampler' if by_epoch else 'InfiniteSampler'
        },
    }
    length = {'max_epochs': 4} if by_epoch else {'max_iters': 12}
    hook = {'type': 'CheckpointHook', 'interval': 1 if by_epoch else 4}
    return tiny.runner(
        tiny.distilled(losses=masked(by_epoch)),
        work_dir,
        train_dataloader=loader,
        train_cfg={
            'by_epoch': by_epoch,
            'val_interval': 1 if by_epoch else 4,
            **length,
        },
        val_cfg={},
        custom_hooks=[
            {'type': 'EMAHook', 'momentum': 0.1},
            *([{'type': 'GeneratorsHook'}] if own_hook else []),
        ],
        default_hooks={'checkpoint': {**hook, 'by_epoch': by_epoch}},
        param_scheduler={'type': 'CosineAnnealingLR', 'by_epoch': by_epoch},
        **keys,
    )


@tiny.needs_safe_globals
@pytest.mark.parametrize(
    ('by_epoch', 'transforms', 'middle', 'last'),
    [
        (True, CROP, 'epoch_2.pth', 'epoch_4.pth'),
        (False, [], 'iter_4.pth', 'iter_12.pth'),
    ],
    ids=['by epoch', 'by iteration'],
)
def test_a_resumed_training_ends_with_the_same_bits(
    by_epoch, transforms, middle, last, tmp_path
):
    whole, rest = tmp_path / 'whole', tmp_path / 'rest'
    training(whole, transforms, by_epoch).train()
    torch.rand(3), np.random.rand(3), random.random()
    training(
        rest, transforms, by_epoch, load_from=str(whole / middle), resume=True
    ).train()
    assert not (rest / middle).exists()
    assert_same_training(rest / last, whole / last)


@tiny.needs_safe_globals
def test_workers_of_validation_that_persist_start_without_a_trace(tmp_path):
    whole, rest = tmp_path / 'whole', tmp_path / 'rest'
    middle = {'load_from': str(whole / 'epoch_2.pth'), 'resume': True}
    for folder, start in ((whole, {}), (rest, middle)):
        run = training(folder, CROP, True, **start)
        sets = run.val_dataloader.dataset
        run.val_loop.dataloader = DataLoader(
            sets,
            batch_size=16,
            num_workers=1,
            persistent_workers=True,
            collate_fn=run.val_dataloader.collate_fn,
        )
        run.train()
    assert_same_training(rest / 'epoch_4.pth', whole / 'epoch_4.pth')


@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_training_without_a_stop_is_that_without_the_hook(
    by_epoch, tmp_path
):
    saved = []
    for own in (True, False):
        run = training(tmp_path / str(own), CROP, by_epoch, own)
        run.register_hook(Draws())
        run.train()
        saved.append(run.model.state_dict())
    assert tiny.same(*saved)


def test_a_process_keeps_the_generator_of_its_own_gpu(monkeypatch):
    # A machine with two GPUs, as the process of the second sees it.
    seeds = {0: torch.tensor([7]), 1: torch.tensor([8])}
    own = 1

    def read(device='cuda'):
        return seeds[own]

    def write(state, device='cuda'):
        seeds[own] = state

    for name, answer in (
        ('is_initialized', lambda: True),
        ('is_available', lambda: True),
        ('device_count', lambda: 2),
        ('get_rng_state', read),
        ('set_rng_state', write),
        ('get_rng_state_all', lambda: [*seeds.values()]),
        ('set_rng_state_all', lambda states: seeds.update(enumerate(states))),
    ):
        monkeypatch.setattr(torch.cuda, name, answer)
    own = 0
    states = _states()  # of rank 0
    own = 1
    _set_states(states)
    assert seeds == {0: 7, 1: 7}


@tiny.needs_safe_globals
def test_weights_alone_start_a_training_with_its_own_numbers(tmp_path):
    training(tmp_path / 'a', [], True).train()
    start = {'load_from': str(tmp_path / 'a' / 'epoch_4.pth')}
    training(tmp_path / 'b', [], True, **start).train()
    a, b = (tiny.saved(tmp_path / name / 'epoch_1.pth') for name in 'ab')
    assert_equal(a['generators'], b['generators'])


def test_generators_are_plain_data(tmp_path):
    torch.save(_states(), tmp_path / 'x.pth')
    torch.load(tmp_path / 'x.pth', weights_only=True)
