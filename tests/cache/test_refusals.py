"""What a stored teacher refuses, before the first step is taken."""

import json
import os

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from tiny import build, resnet
from views import CROP, cache, live_model, train, write_config

import mmnkd.cli.cache as command
from mmnkd.cache import CachedTeacher
from mmnkd.cache.config import cached_config
from mmnkd.cache.store import Store

PURE = 'DistilledClassifier'

CUTMIX = {'augments': [{'type': 'CutMix', 'alpha': 1.0}]}
MIXUP = {'augments': {'type': 'Mixup', 'alpha': 0.2}}
FEATURES = {
    'mgd': {
        'type': 'MGDLoss',
        'student_taps': 'backbone',
        'teacher_taps': 'backbone',
    }
}
SRRL = {
    'srrl': {
        'type': 'SRRLLoss',
        'student_taps': 'backbone',
        'teacher_taps': 'backbone',
    }
}


@pytest.fixture(scope='module')
def dense(tmp_path_factory):
    return cache(tmp_path_factory.mktemp('dense'))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'train_dataloader.dataset.seed': 4},
            'drawn otherwise: seed 4 instead of 0',
        ),
        (
            {'train_dataloader.dataset.dataset.indices': 30},
            'count 30 instead of 40; samples .* instead of',
        ),
        (
            {
                'train_dataloader.dataset.dataset.pipeline': [
                    {**CROP, 'padding': 1},
                    {'type': 'PackInputs'},
                ]
            },
            'drawn otherwise: pipeline .* or run `mmnkd cache` for these',
        ),
        (
            {'train_dataloader.dataset.dataset.metainfo': {'classes': 'ab'}},
            'drawn otherwise: classes',
        ),
        (
            {'train_cfg.max_epochs': 3},
            'Expected 3 epochs in .* but it has 2. Store more',
        ),
        (
            {'train_dataloader.dataset.epochs': 3, 'train_cfg.max_epochs': 4},
            'Expected 3 epochs in .*dataset.epochs=2',
        ),
        (
            {'model.train_cfg': MIXUP},
            'mixed after the data set, by Mixup. Leave',
        ),
        (
            {'model.train_cfg': CUTMIX},
            'mixed after the data set, by CutMix. Leave',
        ),
        ({'model.teacher.weights': 'aa'}, "weights have the hash 'aa'"),
        ({'model.head.num_classes': 9}, 'student has 9 and the teacher 10'),
        ({'model.distill_losses': FEATURES}, "alone .* read .'backbone'"),
        ({'model.distill_losses': SRRL}, 'Features and heads are not stored'),
    ],
)
def test_what_differs_is_named_before_the_first_step(
    dense, tmp_path, changes, message
):
    steps = []

    with pytest.raises(ValueError, match=message):
        train(dense, tmp_path, [_Steps(steps)], **changes)
    assert not steps


class _Steps(Hook):
    def __init__(self, steps):
        self.steps = steps

    def after_train_iter(self, runner, *args, **kwargs):
        self.steps.append(runner.iter)


def test_a_data_set_without_replay_is_refused(dense, tmp_path):
    config = Config.fromfile(dense)
    base = Config.fromfile(dense.parents[1] / 'distilled.py')
    config.train_dataloader = base.train_dataloader
    config.dump(tmp_path / 'plain.py')
    with pytest.raises(ValueError, match='Train on a ReplayedDataset'):
        train(tmp_path / 'plain.py', tmp_path)


def test_a_runner_without_the_seed_hook_is_refused(dense, tmp_path):
    config = Config.fromfile(dense)
    config.default_hooks.sampler_seed = None
    config.dump(tmp_path / 'plain.py')
    with pytest.raises(RuntimeError, match='Leave `sampler_seed` in'):
        train(tmp_path / 'plain.py', tmp_path)


def test_a_store_that_is_not_whole_or_broken_is_refused(tmp_path):
    folder = cache(tmp_path).parent
    path = folder / 'manifest.json'
    content = json.loads(path.read_text())
    (last,) = list(content['checksums'])[-1:]
    short = {k: v for k, v in content['checksums'].items() if k != last}
    path.write_text(json.dumps({**content, 'checksums': short}))
    with pytest.raises(ValueError, match='1 of 2 blocks are missing. Run'):
        CachedTeacher(folder).build(torch.nn.Identity())
    path.write_text(json.dumps(content))
    block = folder / last
    block.write_bytes(block.read_bytes()[:-1] + b'x')
    with pytest.raises(ValueError, match='its checksum is wrong'):
        CachedTeacher(folder).build(torch.nn.Identity())


def test_other_versions_are_told(dense, monkeypatch, log_text):
    monkeypatch.setattr(
        'mmnkd.cache.reader.library_versions', lambda: {'numpy': '0.1'}
    )
    CachedTeacher(dense.parent).build(torch.nn.Identity())
    assert 'numpy 0.1 instead of' in log_text()


def test_arguments_of_a_cached_teacher_are_checked():
    config = {**resnet(), 'type': 'DistilledClassifier'}
    config['distill_losses'] = {'nkd': {'type': 'NKDLoss'}}
    with pytest.raises(TypeError, match='teacher.cache` to be a folder'):
        build({**config, 'teacher': {'cache': 3}})
    with pytest.raises(TypeError, match="Nearest: 'weights'"):
        build({**config, 'teacher': {'cache': 'a', 'weihgts': 'b'}})


@pytest.mark.parametrize(
    ('keys', 'options', 'message'),
    [
        ({'losses': FEATURES}, (), 'losses that read the logits alone'),
        ({'mode': 'train'}, (), "mode 'eval', but got 'train'"),
        ({}, ('--topk', '10'), '--topk from 1 to 9'),
        ({}, ('--topk', '0'), '--topk from 1 to 9'),
        ({}, ('--epochs', '1'), 'Add --wrap to see'),
    ],
)
def test_the_command_refuses_before_it_costs_time(
    tmp_path, keys, options, message
):
    config = write_config(tmp_path, live_model(tmp_path, **keys))
    with pytest.raises(ValueError, match=message):
        cache(tmp_path, *options, config=config)
    assert not (tmp_path / 'store').exists()


def test_the_command_refuses_mixing_and_samplers_and_plain_models(tmp_path):
    for mixing, name in ((MIXUP, 'Mixup'), (CUTMIX, 'CutMix')):
        mixed = {**live_model(tmp_path), 'train_cfg': mixing}
        with pytest.raises(ValueError, match=f'the data set, by {name}'):
            cache(tmp_path, config=write_config(tmp_path, mixed))
    with pytest.raises(ValueError, match='has none to store'):
        cache(tmp_path, config=write_config(tmp_path, resnet()))
    path = write_config(tmp_path)
    config = Config.fromfile(path)
    config.train_dataloader.sampler.type = 'RepeatAugSampler'
    config.dump(path)
    with pytest.raises(ValueError, match='RepeatAugSampler draws it several'):
        cache(tmp_path, config=path)
    config = Config.fromfile(write_config(tmp_path))
    config.train_cfg = {'by_epoch': False, 'max_iters': 5}
    config.dump(path)
    with pytest.raises(ValueError, match='Expected --epochs, the count'):
        cache(tmp_path, config=path)


def test_the_command_says_sizes_and_times_beforehand(tmp_path, log_text):
    config = cache(tmp_path, '--topk', '3')
    text = log_text()
    assert '2 epochs of 40 views, 3 of 10 logits each, 12 bytes a' in text
    assert '0 of 2 blocks are there; the rest takes about' in text
    assert f'Train by: mmnkd train {config}' in text
    assert '--topk 3' in config.read_text()
    cache(tmp_path, '--topk', '3')
    assert '2 of 2 blocks are there' in log_text()
    assert Store.load(tmp_path / 'store').topk == 3


def replaying_config(folder, **options):
    path = write_config(folder)
    config = Config.fromfile(path)
    data = config.train_dataloader
    data.dataset = {
        'type': 'ReplayedDataset',
        'dataset': data.dataset,
        **options,
    }
    data.sampler = {'type': 'ReplayedSampler', 'sampler': data.sampler}
    config.dump(path)
    return path


def test_seed_and_wrap_change_a_config_that_replays_already(tmp_path):
    config = replaying_config(tmp_path, seed=3)
    options = '--seed', '0', '--epochs', '1', '--wrap'
    cached = cache(tmp_path, *options, config=config)
    assert Store.load(cached.parent).views['seed'] == '0'
    assert train(cached, tmp_path / 'cached').epoch == 2


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.chdir(tmp_path)
    command.main([str(write_config(tmp_path)), '--out=~/store'])
    assert (tmp_path / 'home' / 'store' / 'cached.py').is_file()


def test_a_pure_python_config_is_refused_but_not_its_dump(tmp_path):
    plain = write_config(tmp_path)
    lazy = tmp_path / 'lazy.py'
    lazy.write_text(
        'from mmnkd.classifier import DistilledClassifier\n'
        + plain.read_text().replace("'DistilledClassifier'", PURE)
    )
    assert PURE in lazy.read_text().split('\n', 1)[1]
    with pytest.raises(ValueError, match=r'can inherit .*\.dump\('):
        cache(tmp_path, config=lazy)
    assert not (tmp_path / 'store').exists()
    Config.fromfile(lazy).dump(plain)
    train(cache(tmp_path, config=plain), tmp_path / 'cached')


def test_a_config_on_another_drive_is_inherited(tmp_path, monkeypatch):
    live = Config.fromfile(write_config(tmp_path))
    path = tmp_path / 'cached.py'

    def relpath(*args):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    with monkeypatch.context() as patch:
        patch.setattr(os.path, 'relpath', relpath)
        path.write_text(cached_config(live, tmp_path, {0: 'aa'}, {}))
    assert Config.fromfile(path).model.teacher.weights == 'aa'


def test_a_user_may_replay_without_a_store_and_cache_later(tmp_path):
    path = replaying_config(tmp_path, seed=3)
    train(path, tmp_path / 'live')
    cached = cache(tmp_path, config=path)
    assert 'train_dataloader' not in cached.read_text()
    assert Store.load(cached.parent).views['seed'] == '3'
    train(cached, tmp_path / 'cached')
    with pytest.raises(ValueError, match='what the config has is stored'):
        cache(tmp_path, config=cached)
