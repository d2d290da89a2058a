"""Replayed digits and stores that the tests of the cache share."""

import copy
import time

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from tiny import PREPROCESSOR, distilled, nkd, resnet, teacher

import mmnkd.cli.cache as command
from mmnkd.cache import ReplayedDataset

CROP = {'type': 'RandomCrop', 'crop_size': 8, 'padding': 2}


def digits(*transforms, count=21):
    """Return the config of a few digits with some transforms."""
    return {
        'type': 'Digits',
        'split': 'train',
        'indices': count,
        'pipeline': [*(transforms or [CROP]), {'type': 'PackInputs'}],
    }


def replayed(*transforms, count=21, **options):
    dataset = ReplayedDataset(digits(*transforms, count=count), **options)
    dataset.full_init()
    return dataset


def loader(dataset=None, sampler=None, batch_size=7, seed=3, **options):
    """Return what a Runner builds of a data loader's config."""
    config = {
        'batch_size': batch_size,
        'num_workers': 0,
        'dataset': {
            'type': 'ReplayedDataset',
            'dataset': dataset or digits(),
        },
        'sampler': {
            'type': 'ReplayedSampler',
            'sampler': sampler or {'type': 'DefaultSampler', 'shuffle': True},
        },
        **options,
    }
    return Runner.build_dataloader(Config(config), seed=seed)


def images_by_view(batches):
    """Return each view's image."""
    found = {}
    for batch in batches:
        for image, sample in zip(batch['inputs'], batch['data_samples']):
            found[sample.view] = image
    return found


def epochs_of(data_loader, epochs=2):
    """Yield the batches of several epochs, as a training loop does."""
    for epoch in range(epochs):
        data_loader.sampler.set_epoch(epoch)
        yield from data_loader


def same_images(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(image, second[view]) for view, image in first.items()
    )


def write_config(folder, model=None, count=40, epochs=2, **keys):
    """Write a config of a distilled training; return its path."""
    checkpoint = folder / 'teacher.pth'
    if not checkpoint.exists():
        save_teacher(checkpoint)
    config = {
        'custom_imports': {'imports': ['mmnkd']},
        'default_scope': 'mmpretrain',
        'data_preprocessor': dict(PREPROCESSOR),
        'model': model or live_model(folder),
        'train_dataloader': {
            'batch_size': 16,
            'num_workers': 0,
            'dataset': digits(count=count),
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
        },
        'train_cfg': {'by_epoch': True, 'max_epochs': epochs},
        'optim_wrapper': {
            'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9}
        },
        'default_hooks': {'checkpoint': None},
        'randomness': {'seed': 1},
        'log_level': 'WARNING',
        **keys,
    }
    path = folder / 'distilled.py'
    Config(config).dump(path)
    return path


def save_teacher(path, seed=0):
    torch.manual_seed(seed)
    network = MODELS.build(copy.deepcopy(resnet(width=8)))
    torch.save({'state_dict': network.state_dict()}, path)


def live_model(folder, losses=None, **options):
    options.setdefault('checkpoint', str(folder / 'teacher.pth'))
    return distilled(
        teacher_options=teacher(**options), losses=losses or nkd()
    )


def cache(folder, *options, out='store', config=None):
    """Run the command, and return the config that it wrote."""
    config = config or write_config(folder)
    command.main([str(config), '--out', str(folder / out), *options])
    return folder / out / 'cached.py'


def train(config, work_dir, hooks=(), checkpoint=None, **changes):
    """Train by a config file, and return the Runner."""
    config = Config.fromfile(config)
    config.merge_from_dict(changes)
    config.default_hooks.checkpoint = checkpoint
    config.work_dir = str(work_dir)
    config.experiment_name = f'cached_{time.time_ns()}'
    runner = Runner.from_cfg(config)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner
