"""All configs: short, and one real training step each."""

import copy

import numpy as np
import pytest
import torch
from command import ROOT
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import (
    BEiTViT,
    DeiT3,
    ResNet,
    SwinTransformer,
    VisionTransformer,
)
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample

CONFIGS = ROOT / 'configs'
PATHS = {
    path.stem: path
    for path in sorted(CONFIGS.glob('*/*.py'))
    if path.parent.name != '_base_'
}
# Those of configs/custom need images and weights: tests/pages/test_custom.py.
CONFIG = pytest.mark.parametrize(
    'name', [n for n, path in PATHS.items() if path.parent.name != 'custom']
)
SMALL_REGNET = {
    'depth': 13,
    'w0': 24,
    'wa': 36.44,
    'wm': 2.49,
    'group_size': 8,
}
NAMES = {}  # of weights, by the model's config: many have one student


@pytest.mark.parametrize('name', [n for n in PATHS if 'digits' not in n])
def test_configs_are_short_and_say_what_they_are(name):
    text = PATHS[name].read_text()
    _, docstring, code = text.split('"""', 2)
    assert len(code.splitlines()) <= 20
    assert f'configs/{PATHS[name].parent.name}/{name}.py' in docstring
    assert "the paper's" in docstring or 'No number' in docstring
    if name.endswith(('_in1k', '_cifar100')):
        assert len(text.splitlines()) <= 20
        if not name.startswith('baseline'):
            assert 'arXiv ' in docstring or 'ICLR 2021' in docstring


def test_file_names_are_unique_for_the_work_dirs():
    names = [path.stem for path in CONFIGS.glob('*/*.py')]
    assert len(names) == len(set(names))


def real_batch(config, n):
    """Send n random images through the pipeline after its loading step."""
    dataset = config.train_dataloader.dataset
    dataset = dataset.get('dataset', dataset)  # inside of a replayed one
    shape = {
        'FashionMNIST': (28, 28),
        'Digits': (8, 8, 3),
        'LocalCIFAR100': (32, 32, 3),
    }.get(dataset.type, (256, 256, 3))
    draw = np.random.default_rng(0)
    steps = [
        TRANSFORMS.build(copy.deepcopy(step))
        for step in dataset.pipeline
        if step.type != 'LoadImageFromFile'
    ]
    items = []
    for label in range(n):
        image = draw.integers(256, size=shape, dtype=np.uint8)
        item = {
            'img': image,
            'img_shape': shape[:2],
            'ori_shape': shape[:2],
            'gt_label': label,
        }
        for step in steps:
            item = step(item)
        items.append(item)
    inputs = torch.stack([item['inputs'] for item in items])
    samples = [item['data_samples'] for item in items]
    assert isinstance(samples[0], DataSample)
    return {'inputs': inputs, 'data_samples': samples}


@pytest.fixture
def shallow(monkeypatch):
    """Build less depth: stages of one block, few layers, three wide ones."""
    stages = {k: (v[0], (1,) * 4) for k, v in ResNet.arch_settings.items()}
    monkeypatch.setattr(ResNet, 'arch_settings', stages)
    swins = {
        name: {**arch, 'depths': [2, 2, 2, 2]}
        for name, arch in SwinTransformer.arch_zoo.items()
    }
    monkeypatch.setattr(SwinTransformer, 'arch_zoo', swins)
    for kind in (BEiTViT, DeiT3, VisionTransformer):
        zoo = {
            name: {**arch, 'num_layers': 3 if arch['embed_dims'] > 700 else 6}
            for name, arch in kind.arch_zoo.items()
        }
        monkeypatch.setattr(kind, 'arch_zoo', zoo)


def without_weights(model):
    """Take random weights, as no file can be had here."""
    if 'teacher' in model:
        model.teacher.checkpoint = None
        if isinstance(model.teacher.model, dict):
            model.teacher.model.pretrained = False
        if 'regnety' in str(model.teacher.model):
            model.teacher.model.update(SMALL_REGNET)
    return model


def plain_names(model):
    """Return the names of the student's weights without mmnkd."""
    added = ('teacher', 'distill_losses', 'student_loss_weight', 'logits_tap')
    plain = {k: v for k, v in model.items() if k not in added}
    plain['type'] = plain['type'].replace('DistilledC', 'ImageC')
    key = str(plain)
    if key not in NAMES:
        built = MODELS.build(Config(copy.deepcopy(plain)))
        NAMES[key] = list(built.state_dict())
    return NAMES[key]


@pytest.mark.usefixtures('shallow')
@CONFIG
def test_builds_and_does_one_real_training_step(name):
    config = Config.fromfile(PATHS[name])
    without_weights(config.model)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        data = real_batch(config, n=2)
        config.model.data_preprocessor = config.data_preprocessor
        expected = plain_names(config.model)
        model = MODELS.build(config.model)
        optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    extra = 'distill_losses.'
    names = [n for n in model.state_dict() if not n.startswith(extra)]
    assert names == expected
    before = [p.detach().clone() for p in list(model.parameters())[:3]]
    reached = set()
    for key, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _, key=key: reached.add(key)
        )
    model.train()
    log = model.train_step(data, optim_wrapper)
    assert reached == {n for n, p in model.named_parameters()}  # as DDP wants
    assert all(torch.isfinite(value).all() for value in log.values())
    parts = {key for key in log if 'loss' in key} - {'loss'}
    if 'distill_losses' not in config.model:
        assert not parts
    else:
        logged = {key.split('_', 1)[1] for key in parts}
        losses = [*config.model.distill_losses, 'cls']
        assert all(any(k.startswith(n) for k in logged) for n in losses)
        assert all(any(k.startswith(n) for n in losses) for k in logged)
    after = list(model.parameters())[:3]
    assert any(not torch.equal(a, b) for a, b in zip(before, after))
