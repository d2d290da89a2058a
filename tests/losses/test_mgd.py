"""Masked generative distillation."""

import pytest
import reference
import tiny
import torch
from features import (
    TAPS,
    VIT_TAPS,
    check_training,
    convolutions,
    distilled,
    draw,
    load_golden,
)
from golden import golden, settings_of
from torch import nn

from mmnkd.losses import MGDLoss


def mgd(student, teacher, **options):
    channels = {'student_channels': student, 'teacher_channels': teacher}
    return MGDLoss(**TAPS, **channels, **options)


def test_mgd_reproduces_the_golden_value():
    case = '044/mgd'
    loss = mgd(4, 6, **settings_of(case))
    load_golden(loss, case)
    student, teacher = (
        golden(case, 'feat_student'),
        golden(case, 'feat_teacher'),
    )
    actual = loss(student, teacher, None)
    torch.testing.assert_close(actual, golden(case, 'loss'), rtol=1e-9, atol=0)


def test_mgd_is_the_formula_in_loops():
    loss = mgd(3, 4, alpha=0.5, mask_ratio=0.5, reduction='none').double()
    student, teacher = draw(2, 3, 3, 5), draw(2, 4, 3, 5, seed=1)
    torch.manual_seed(4)
    actual = loss(student, teacher, None)
    torch.manual_seed(4)
    kept = torch.rand(2, 4, 1, 1) >= 0.5
    assert 0 < kept.sum() < 8
    expected = [
        reference.mgd(
            student[n].tolist(),
            teacher[n].tolist(),
            kept[n].flatten().tolist(),
            (loss.align.weight.tolist(), loss.align.bias.tolist()),
            *convolutions(loss.generation),
            alpha=0.5,
        )
        for n in range(2)
    ]
    assert actual.tolist() == pytest.approx(expected, rel=1e-10)


def test_equal_channels_need_no_projection():
    assert isinstance(mgd(4, 4).align, nn.Identity)
    assert isinstance(mgd(4, 5).align, nn.Conv2d)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_features_of_low_precision_do_not_overflow(dtype):
    if tiny.OLD_TORCH and dtype == torch.float16:
        pytest.skip('torch 2.1 has no convolution in float16 on a CPU')
    loss = mgd(2, 2, alpha=1.0).to(dtype)
    student = torch.full((2, 2, 3, 3), 300.0, dtype=dtype)
    result = loss(student, -student, None)
    assert result.dtype == torch.float32
    assert torch.isfinite(result)


@tiny.needs_safe_globals
@pytest.mark.parametrize('tokens', [False, True], ids=['maps', 'tokens'])
def test_parameters_are_trained_saved_and_resumed(tokens, tmp_path):
    config = distilled('MGDLoss')
    if tokens:
        teacher = tiny.teacher(tiny.vit(dims=24))
        losses = {'feat': {'type': 'MGDLoss', **VIT_TAPS}}
        config = tiny.distilled(tiny.vit(), teacher, losses)
    check_training(config, tmp_path)


def test_grids_of_different_size_are_an_error():
    model = tiny.build(distilled('MGDLoss', student_taps='backbone.layer1'))
    with pytest.raises(ValueError, match='got 8x8 and 4x4.*one stride'):
        model.loss(*tiny.batch())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'mask_ratio': 1}, 'mask_ratio.*got 1'),
        ({'alpha': -1}, 'alpha.*got -1'),
    ],
)
def test_bad_settings_are_refused_before_training(options, message):
    with pytest.raises(ValueError, match=message):
        MGDLoss(**TAPS, **options)
