"""Tiny networks of mmpretrain, trained by a real Runner on real digits."""

import copy
import time

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.utils import digit_version
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmnkd import FrozenTeacher
from mmnkd.checkpoint import allow_mmengine_checkpoints

PREPROCESSOR = {
    'num_classes': 10,
    'mean': [77.8] * 3,
    'std': [95.8] * 3,
    'to_rgb': True,
}

OLD_TORCH = digit_version(torch.__version__) < digit_version('2.6')
needs_safe_globals = pytest.mark.skipif(
    OLD_TORCH, reason="torch before 2.6 can't read a training safely"
)


def resnet(width=4, classes=10, stages=2, **head):
    """Return the config of a ResNet with two stages for 8x8 images."""
    return {
        'type': 'ImageClassifier',
        'backbone': {
            'type': 'ResNet_CIFAR',
            'depth': 18,
            'num_stages': stages,
            'stem_channels': width,
            'base_channels': width,
            'strides': (1, 2)[:stages],
            'dilations': (1, 1)[:stages],
            'out_indices': (stages - 1,),
        },
        'neck': {'type': 'GlobalAveragePooling'},
        'head': {
            'type': 'LinearClsHead',
            'num_classes': classes,
            'in_channels': stages * width,
            **head,
        },
    }


def vit(classes=10, dims=16, **head):
    """Return the config of a vision transformer for 8x8 images."""
    return {
        'type': 'ImageClassifier',
        'backbone': {
            'type': 'VisionTransformer',
            'arch': {
                'embed_dims': dims,
                'num_layers': 2,
                'num_heads': 2,
                'feedforward_channels': 2 * dims,
            },
            'img_size': 8,
            'patch_size': 4,
            'drop_path_rate': 0.1,
        },
        'neck': None,
        'head': {
            'type': 'VisionTransformerClsHead',
            'num_classes': classes,
            'in_channels': dims,
            **head,
        },
    }


def teacher(model=None, **options):
    """Return the arguments of a random teacher, explicitly so."""
    options.setdefault('checkpoint', None)
    return {'model': model or resnet(width=8), **options}


def built_teacher(model=None, taps=('logits',), **options):
    """Build a random teacher beside a student with the usual images."""
    student = {**resnet(), 'data_preprocessor': dict(PREPROCESSOR)}
    made = FrozenTeacher(**teacher(model, **options))
    made.build(build(student).data_preprocessor, taps)
    return made


def nkd(**options):
    """Return the config of one NKD loss, named `nkd`."""
    return {'nkd': {'type': 'NKDLoss', **options}}


def distilled(student=None, teacher_options=None, losses=None, **keys):
    """Return a student's config with the two keys added."""
    config = {**(student or resnet()), 'type': 'DistilledClassifier', **keys}
    config['teacher'] = teacher_options or teacher()
    config['distill_losses'] = losses or nkd()
    return config


def build(config):
    """Build a model as a Runner does."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(Config(copy.deepcopy({'model': config})).model)


def batch(n=6, size=8, classes=10, scores=False):
    """Return images and data samples as a data preprocessor hands them on."""
    torch.manual_seed(3)
    images = torch.randn(n, 3, size, size)
    samples = [DataSample().set_gt_label(i % classes) for i in range(n)]
    if scores:
        mixed = torch.zeros(n, classes)
        mixed[:, 1], mixed[:, 2] = 0.7, 0.3
        for sample, score in zip(samples, mixed):
            sample.set_gt_score(score)
    return images, samples


def runner(model, work_dir, epochs=1, images=64, batch_size=16, **keys):
    """Return a Runner that trains `model` on a few of the digits.

    It validates where `keys` have a `val_cfg`.
    """
    pipeline = [{'type': 'PackInputs'}]

    def loader(split, count, shuffle):
        return {
            'batch_size': batch_size,
            'num_workers': 0,
            'dataset': {
                'type': 'Digits',
                'split': split,
                'indices': count,
                'pipeline': pipeline,
                # Else each data set collects all of the process's garbage.
                'serialize_data': False,
            },
            'sampler': {'type': 'DefaultSampler', 'shuffle': shuffle},
        }

    config = {
        'model': model,
        'data_preprocessor': dict(PREPROCESSOR),
        'work_dir': str(work_dir),
        'experiment_name': f'tiny_{time.time_ns()}',
        'default_scope': 'mmpretrain',
        'train_dataloader': loader('train', images, True),
        'train_cfg': {'by_epoch': True, 'max_epochs': epochs},
        'optim_wrapper': {
            'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9}
        },
        'randomness': {'seed': 1},
        'log_level': 'WARNING',
        **keys,
    }
    for part in ('val', 'test'):
        if f'{part}_cfg' in keys:
            usual = loader('test', 32, False)
            config.setdefault(f'{part}_dataloader', usual)
            config[f'{part}_evaluator'] = {'type': 'Accuracy'}
    return Runner.from_cfg(Config(copy.deepcopy(config)))


def train(model, work_dir, **keys):
    """Train, and return the Runner."""
    run = runner(model, work_dir, **keys)
    run.train()
    return run


def same(actual, expected):
    """Tell whether two state dicts have the same names and values."""
    return list(actual) == list(expected) and all(
        torch.equal(actual[k], expected[k]) for k in expected
    )


def snapshot(network):
    """Copy all weights and buffers."""
    return {k: v.clone() for k, v in network.state_dict().items()}


def saved(path):
    """Read what a Runner saved."""
    allow_mmengine_checkpoints()  # onedl-mmengine's loader forgets it
    return torch.load(path, weights_only=True)


@ROOT_MODELS.register_module()
class Projected(torch.nn.Module):
    """A user's loss with parameters, on logits."""

    def __init__(self, loss_weight=1.0):
        super().__init__()
        self.loss_weight = loss_weight
        self.project = torch.nn.Linear(10, 10)

    def forward(self, student, teacher, target):
        return (self.project(student) - teacher).square().mean()


@ROOT_MODELS.register_module()
class FeatureProjected(torch.nn.Module):
    """A user's loss with parameters, on features, unknown to mmnkd."""

    student_taps = ('backbone.layer1', 'backbone.layer2')
    teacher_taps = 'backbone.layer2'

    def __init__(self):
        super().__init__()
        self.project = torch.nn.Conv2d(8, 16, 1)

    def forward(self, student, teacher, target):
        _, features = student
        return (self.project(features) - teacher).square().mean()
