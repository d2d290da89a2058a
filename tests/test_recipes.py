"""The paper's experiments: right by value."""

import re

import pytest
import tiny
from newer_recipes import NEWER
from recipe_files import PATHS as ALL
from recipe_files import check_teacher, read

from mmnkd.classifier.losses import LossDict
from mmnkd.losses import TeacherLogitsLoss

PATHS = [
    name
    for name in ALL
    if name.endswith(('_in1k', '_cifar100')) and name not in NEWER
]
CONFIG = pytest.mark.parametrize('name', PATHS)


STEPS = {'type': 'MultiStepLR', 'milestones': [30, 60, 90], 'gamma': 0.1}
CIFAR_STEPS = {
    'type': 'MultiStepLR',
    'milestones': [60, 120, 160],
    'gamma': 0.2,
}
COSINE = [
    {'type': 'LinearLR', 'end': 20, 'by_epoch': True},
    {'type': 'CosineAnnealingLR', 'begin': 20, 'eta_min': 1e-5},
]
POLY = [
    {'type': 'ConstantLR', 'end': 5000, 'by_epoch': False},
    {'type': 'PolyLR', 'begin': 5000, 'eta_min': 0, 'by_epoch': False},
]
SGD = {'type': 'SGD', 'momentum': 0.9}
ADAMW = {'type': 'AdamW', 'lr': 1e-3, 'weight_decay': 0.05}
CNN = {
    'epochs': 100,
    'batch': 32,
    'optimizer': {**SGD, 'lr': 0.1, 'weight_decay': 1e-4},
    'schedule': STEPS,
    'augmentation': ['RandomResizedCrop', 'RandomFlip'],
}
TRANSFORMER = {
    'epochs': 300,
    'batch': 64,
    'optimizer': ADAMW,
    'schedule': COSINE,
    'augmentation': [
        'RandomResizedCrop',
        'RandomFlip',
        'RandAugment',
        'RandomErasing',
    ],
    'clip': 5.0,
}
CIFAR = {
    'epochs': 200,
    'batch': 16,
    'optimizer': {**SGD, 'lr': 0.1, 'weight_decay': 5e-4},
    'schedule': CIFAR_STEPS,
    'augmentation': ['RandomCrop', 'RandomFlip'],
}
STUDENTS = {  # by the end of a config's name
    'mobilenet-v1_8xb32_in1k': CNN,
    'mobilenet-v2_8xb32_in1k': {
        **CNN,
        'epochs': 300,
        'optimizer': {**SGD, 'lr': 0.045, 'weight_decay': 4e-5},
        'schedule': {'type': 'StepLR', 'step_size': 1, 'gamma': 0.98},
        'backend': 'pillow',
    },
    'shufflenet-v2-1x_16xb64_in1k': {
        **CNN,
        'epochs': 300,
        'batch': 64,
        'optimizer': {**SGD, 'lr': 0.5, 'weight_decay': 4e-5},
        'schedule': POLY,
        'backend': 'pillow',
        'paramwise': {'norm_decay_mult': 0},
    },
    'regnetx-1.6gf_8xb128_in1k': {
        **CNN,
        'batch': 128,
        'optimizer': {**SGD, 'lr': 0.8, 'weight_decay': 5e-5},
        'schedule': [
            {'type': 'LinearLR', 'start_factor': 0.1, 'end': 5},
            {'type': 'CosineAnnealingLR', 'begin': 5, 'end': 100},
        ],
    },
    'resnet18_8xb32_in1k': CNN,
    'resnet50_8xb32_in1k': CNN,
    'resnet101_8xb32_in1k': CNN,
    'swin-tiny_16xb64_in1k': TRANSFORMER,
    'swin-small_16xb64_in1k': TRANSFORMER,
    'deit-tiny_4xb256_in1k': {**TRANSFORMER, 'batch': 256},
    'deit-small_4xb256_in1k': {**TRANSFORMER, 'batch': 256},
    'deit-base_16xb64_in1k': TRANSFORMER,
    'resnet18_8xb16_cifar100': CIFAR,
    'resnet34_8xb16_cifar100': CIFAR,
}


def recipe_of(name):
    (student,) = (s for s in STUDENTS if name.endswith(f'_{s}'))
    if name == 'nkd_resnet50_mobilenet-v1_8xb32_in1k':
        return {**STUDENTS[student], 'clip': 5.0}
    return STUDENTS[student]


def agrees(actual, expected):
    """Tell whether a config has all of the expected values."""
    if isinstance(expected, dict):
        return all(
            key in actual and agrees(actual[key], value)
            for key, value in expected.items()
        )
    if (
        isinstance(expected, list)
        and expected
        and isinstance(expected[0], dict)
    ):
        return len(actual) == len(expected) and all(
            map(agrees, actual, expected)
        )
    return actual == pytest.approx(expected) or actual == expected


@CONFIG
def test_values_are_those_of_the_recipe(name):
    config, recipe = read(name), recipe_of(name)
    assert config.train_cfg.max_epochs == recipe['epochs']
    assert config.train_dataloader.batch_size == recipe['batch']
    gpus, batch = map(int, re.search(r'_(\d+)xb(\d+)_', name).groups())
    assert batch == recipe['batch']
    assert config.auto_scale_lr.base_batch_size == gpus * batch
    optimizer = config.optim_wrapper.optimizer
    assert agrees(optimizer, recipe['optimizer']), optimizer
    assert agrees(config.param_scheduler, recipe['schedule'])
    clip = config.optim_wrapper.get('clip_grad') or {}
    assert clip.get('max_norm') == recipe.get('clip')
    paramwise = config.optim_wrapper.get('paramwise_cfg', {})
    assert agrees(paramwise, recipe.get('paramwise', {}))
    pipeline = config.train_dataloader.dataset.pipeline
    steps = [step for step in pipeline if 'Rand' in step.type]
    assert [step.type for step in steps] == recipe['augmentation']
    if 'cifar100' in name:
        assert agrees(steps[0], {'crop_size': 32, 'padding': 4})
    else:
        assert steps[0].scale == 224
    if 'backend' in recipe:
        assert steps[0].backend == recipe['backend']
    transformer = recipe['schedule'] is COSINE
    augments = config.model.get('train_cfg', {}).get('augments', [])
    assert [a.type for a in augments] == ['Mixup', 'CutMix'] * transformer
    assert [a.alpha for a in augments] == [0.8, 1.0] * transformer
    loss = config.model.head.loss
    smoothing = loss.get('label_smooth_val')
    assert smoothing == (0.1 if transformer else None)


VIT_DIMS = {'tiny': 192, 'small': 384, 'base': 768, 'large': 1024}
MIDDLES = {  # of USKD: the tap, and its channels in the paper's code
    'resnet18_8xb32_in1k': ('backbone.layer3', 256),
    'resnet50_8xb32_in1k': ('backbone.layer3', 1024),
    'resnet101_8xb32_in1k': ('backbone.layer3', 1024),
    'mobilenet-v1_8xb32_in1k': ('backbone.model', 512),
    'mobilenet-v2_8xb32_in1k': ('backbone.layer7', 320),
    'shufflenet-v2-1x_16xb64_in1k': ('backbone.layers.2', 464),
    'regnetx-1.6gf_8xb128_in1k': ('backbone.layer3', 408),
    'swin-tiny_16xb64_in1k': ('backbone.stages.2', 384),
    'deit-tiny_4xb256_in1k': ('backbone.layers.5', 192),
    'resnet18_8xb16_cifar100': ('backbone.layer3', 256),
}


VALUES = {  # by method: names; on ImageNet, on CIFAR-100
    'nkd': ('temperature gamma', (1.0, 1.5), (3.0, 3.5)),
    'kd': ('temperature loss_weight', (1.0, 0.5), (3.0, 0.5)),
    'dkd': ('temperature alpha beta', (1.0, 1.0, 0.5), (4.0, 1.0, 8.0)),
    'wsld': ('temperature loss_weight', (2.0, 2.5), (4.0, 2.25)),
    'dist': ('temperature beta gamma', (1.0, 2.0, 2.0), (4.0, 2.0, 2.0)),
    'srrl': ('alpha beta', (1.0, 1.0), None),
    'mgd': ('alpha mask_ratio', (7e-5, 0.15), None),
    'uskd': ('alpha beta mu', (1.0, 0.1, 0.005), (0.1, 0.1, 0.1)),
    'vitkd': ('alpha beta mask_ratio', (3e-5, 3e-6, 0.5), None),
}


def expected_losses(name):
    """Return the paper's values of each loss, as attributes of its module."""
    method, cifar = name.split('_')[0], name.endswith('cifar100')
    if method in ('baseline', 'tf-nkd'):
        return {} if method == 'baseline' else {'tf_nkd': {}}
    losses = {
        loss: dict(zip(VALUES[loss][0].split(), VALUES[loss][1 + cifar]))
        for loss in method.split('-')
    }
    channels = ()
    if 'deit' in name and 'nkd' in losses:
        losses['nkd']['gamma'] = 1.0
    if method in ('srrl', 'mgd'):
        channels = (1024, 2048) if 'mobilenet' in name else (512, 512)
    elif 'vitkd' in losses:
        teacher, student = re.findall(r'deit3?-([a-z]+)', name)
        channels = (VIT_DIMS[student], VIT_DIMS[teacher])
    elif method == 'uskd':
        student = name.removeprefix('uskd_')
        tap, channels_in = MIDDLES[student]
        losses['uskd'] |= {
            'student_taps': ['logits', tap],
            'in_channels': channels_in,
            'num_classes': 100 if cifar else 1000,
            'norm': student.startswith('swin'),
        }
    names = ('student_channels', 'teacher_channels')
    first = next(iter(losses))
    losses[first] |= dict(zip(names, channels))
    return losses


@CONFIG
def test_losses_have_the_papers_values(name):
    model, expected = read(name).model, expected_losses(name)
    losses = LossDict(model.get('distill_losses', {}))
    if losses.unmeasured():
        losses = tiny.build(model).distill_losses
    assert set(losses.keys()) == set(expected)
    for key, settings in expected.items():
        default = {'loss_weight': 1.0}
        if isinstance(losses[key], TeacherLogitsLoss):
            default['standardize'] = False
        for setting, value in {**default, **settings}.items():
            assert getattr(losses[key], setting) == value, setting
    own = model.get('student_loss_weight', 1.0)
    assert own == (0.5 if 'kd' in expected else 1.0)


def test_dkd_warms_up_on_cifar100_as_its_authors_do():
    losses = read('dkd_resnet34_resnet18_8xb16_cifar100').model.distill_losses
    schedule = losses.dkd.weight_schedule
    warm_up = {'type': 'LinearLR', 'start_factor': 1 / 20, 'end': 20}
    assert schedule == warm_up
    others = [n for n in PATHS if 'cifar' not in n]
    assert not [n for n in others if 'weight_schedule' in str(read(n).model)]


@CONFIG
def test_teacher_urls_are_those_of_the_metafile(name):
    if read(name).model.get('teacher') is None:
        assert name.split('_')[0] in ('baseline', 'tf-nkd', 'uskd')
    else:
        check_teacher(name)
