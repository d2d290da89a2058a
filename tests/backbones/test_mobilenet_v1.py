"""MobileNetV1: its size, its outputs, its names, and what may be frozen."""

import pytest
import tiny
import torch
from command import ROOT
from mmengine.config import Config
from torch import nn

from mmnkd.backbones import MobileNetV1


@pytest.fixture(scope='module')
def backbone():
    return MobileNetV1(out_indices=(0, 1))


def test_it_has_the_papers_number_of_parameters_with_its_head(backbone):
    config = Config.fromfile(
        ROOT / 'configs/baseline/baseline_mobilenet-v1_8xb32_in1k.py'
    )
    model = tiny.build(config.model)
    assert sum(p.numel() for p in model.parameters()) == 4_231_976
    # Every convolution is without a bias, and followed by BN and ReLU.
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 1 + 13 * 2
    assert all(m.bias is None for m in convolutions)
    for kind in (nn.BatchNorm2d, nn.ReLU):
        found = [m for m in backbone.modules() if isinstance(m, kind)]
        assert len(found) == len(convolutions)


@pytest.mark.parametrize('size', [224, 160])
def test_feature_maps_are_at_stride_16_and_32(backbone, size):
    fine, coarse = backbone(torch.zeros(2, 3, size, size))
    assert fine.shape == (2, 512, size // 16, size // 16)
    assert coarse.shape == (2, 1024, size // 32, size // 32)


def test_out_indices_choose_the_feature_maps():
    images = torch.zeros(1, 3, 64, 64)
    (only,) = MobileNetV1()(images)
    assert only.shape[1] == 1024
    (only,) = MobileNetV1(out_indices=(0,))(images)
    assert only.shape[1] == 512


@pytest.mark.parametrize(('factor', 'channels'), [(0.5, 512), (0.25, 256)])
def test_widen_factor_scales_the_channels(factor, channels):
    (out,) = MobileNetV1(widen_factor=factor)(torch.zeros(1, 3, 64, 64))
    assert out.shape[1] == channels


def test_names_are_those_of_the_released_weights(backbone):
    names = list(backbone.state_dict())
    assert names[0] == 'model.0.0.weight'
    assert 'model.11.3.weight' in names
    assert 'model.12.0.weight' not in names
    assert 's4.1.4.running_var' in names
    assert {name.split('.')[0] for name in names} == {'model', 's4'}
    strides = [
        m.stride[0] for m in backbone.modules() if isinstance(m, nn.Conv2d)
    ]
    assert [i for i, s in enumerate(strides) if s == 2] == [0, 3, 7, 11, 23]


@pytest.mark.parametrize('frozen', [-1, 0, 1])
def test_frozen_stages_get_no_gradient_and_keep_their_statistics(frozen):
    model = MobileNetV1(frozen_stages=frozen)
    for _ in range(2):  # as built, for the optimizer; and after train()
        for index, stage in enumerate((model.model, model.s4)):
            free = index > frozen
            assert all(p.requires_grad == free for p in stage.parameters())
            assert all(m.training == free for m in stage.modules())
        model.train()


def test_norm_eval_keeps_the_statistics_of_bn():
    model = MobileNetV1(norm_eval=True).train()
    modes = {type(m): m.training for m in model.modules()}
    assert not modes[nn.BatchNorm2d]
    assert modes[nn.ReLU]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'out_indices': (2,)}, r'out_indices.*got \(2,\)'),
        ({'frozen_stages': 2}, 'frozen_stages.*got 2'),
    ],
)
def test_indices_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MobileNetV1(**options)
