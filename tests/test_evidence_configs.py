"""The configs of the evidence, and those that plans make of them."""

import copy
import sys

import pytest
import torch
from command import ROOT
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

sys.path.insert(0, str(ROOT / 'tools'))
pytest.importorskip('timm.task')  # older ones lack it

import evidence_plan
import evidence_run  # noqa: F401

CONFIGS = [
    path
    for folder in ('cifar100', 'fashion_mnist', 'imagenette')
    for path in sorted((ROOT / 'configs' / folder).glob('*.py'))
]


def losses_of(method):
    """Return what a config's name promises."""
    return {
        'baseline': {},
        'ls': {},
        'kd': {'type': 'KDLoss', 'loss_weight': 0.5},
        'dkd': {'type': 'DKDLoss', 'temperature': 4.0, 'beta': 8.0},
        'wsld': {'type': 'WSLDLoss', 'temperature': 4.0, 'loss_weight': 2.25},
        'dist': {'type': 'DISTLoss', 'temperature': 4.0},
        'nkd': {'type': 'NKDLoss'},
        'nkd-std': {'type': 'NKDLoss', 'standardize': True},
        'tf-nkd': {'type': 'TFNKDLoss'},
        'uskd': {'type': 'USKDLoss', 'alpha': 0.1, 'mu': 0.1},
        'wttm': {'type': 'WTTMLoss', 'temperature': 10.0, 'loss_weight': 3.0},
        'rld': {'type': 'RLDLoss', 'temperature': 4.0, 'beta': 8.0},
        'wkd': {'type': 'WKDLoss', 'temperature': 8.0, 'gamma': 600.0},
    }[method]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_does_one_training_step(path):
    config = Config.fromfile(path)
    losses = list(config.model.get('distill_losses', {}).values())
    expected = losses_of(path.stem.split('_')[0])
    assert len(losses) == bool(expected)
    for key, value in expected.items():
        assert losses[0][key] == value
    if expected.get('type') in ('KDLoss', 'NKDLoss') and 'std' not in str(
        path
    ):
        values = (1.0, 1.5) if 'imagenette' in path.stem else (3.0, 3.5)
        assert losses[0].temperature == values[0]
        assert losses[0].get('gamma', values[1]) == values[1]
    train_one_step(config, path.parent.name)


OTHERS = [
    run
    for plan in ('fashion_mnist-claims', 'fashion_mnist-values')
    for run in evidence_plan.read_plan(ROOT / f'tools/plans/{plan}.yml')
    if run.seed == 0 and run.options
]


@pytest.mark.parametrize('run', OTHERS, ids=lambda run: run.method)
def test_options_of_a_plan_make_a_config_that_trains(run):
    train_one_step(run.resolve(), 'fashion_mnist')


def train_one_step(config, data):
    """Train one step on random images, with a teacher without weights."""
    if 'teacher' in config.model:
        config.model.teacher.checkpoint = None  # weights can't be had here
        if 'model_name' in str(config.model.teacher.model):
            config.model.teacher.model.pretrained = False
    channels, size = {
        'cifar100': (3, 32),
        'fashion_mnist': (1, 32),
        'imagenette': (3, 128),
    }[data]
    classes = config.data_preprocessor.num_classes
    data = {
        'inputs': torch.randint(256, (4, channels, size, size)).byte(),
        'data_samples': [
            DataSample().set_gt_label(i % classes) for i in range(4)
        ],
    }
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        config.model.data_preprocessor = config.data_preprocessor
        model = MODELS.build(config.model)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    log = model.train().train_step(data, wrapper)
    assert all(torch.isfinite(value).all() for value in log.values())


def test_losses_of_timm_and_of_ours_are_equal(tmp_path):
    runs = evidence_plan.read_plan(ROOT / 'tools/plans/against-timm.yml')
    teacher, *students = runs[:3]
    network = Config.fromfile(ROOT / teacher.config).model
    path = tmp_path / 'teacher.pth'
    data = {
        'inputs': torch.randint(256, (4, 1, 32, 32)).byte(),
        'data_samples': [DataSample().set_gt_label(i) for i in range(4)],
    }
    losses = []
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        torch.save(MODELS.build(network).state_dict(), path)
        for run in students:
            config = run.resolve()
            config.model.teacher.checkpoint = str(path)
            config.model.data_preprocessor = config.data_preprocessor
            torch.manual_seed(0)
            model = MODELS.build(config.model)
            batch = model.data_preprocessor(copy.deepcopy(data), True)
            values = model(**batch, mode='loss')
            losses.append(model.parse_losses(values)[0])
            losses[-1].backward()
            losses.append(model.backbone.features[0].weight.grad)
    torch.testing.assert_close(losses[0], losses[2])
    torch.testing.assert_close(losses[1], losses[3])
