"""Feature distillation for vision transformers."""

import pytest
import reference
import tiny
import torch
from features import (
    LAYERS,
    TAPS,
    check_training,
    convolutions,
    draw,
    load_golden,
)
from golden import golden, settings_of
from torch import nn

from mmnkd.losses import ViTKDLoss


def vitkd(student, teacher, **options):
    channels = {'student_channels': student, 'teacher_channels': teacher}
    return ViTKDLoss(**channels, **options)


def test_vitkd_reproduces_the_golden_value(monkeypatch):
    case = '046/vitkd'
    loss = vitkd(4, 6, **settings_of(case))
    load_golden(loss, case, align2='align_low', align='align_high')
    noise = golden(case, 'noise')
    monkeypatch.setattr(torch, 'rand', lambda *size, device: noise)
    student, teacher = (
        (*golden(case, f'low_{who}').unbind(1), golden(case, f'high_{who}'))
        for who in ('student', 'teacher')
    )
    actual = sum(loss(student, teacher, None).values())
    torch.testing.assert_close(actual, golden(case, 'loss'), rtol=1e-9, atol=0)


def test_vitkd_is_the_formula_in_loops():
    loss = vitkd(
        3, 4, alpha=0.5, beta=2.0, mask_ratio=0.3, reduction='none'
    ).double()
    nn.init.normal_(loss.mask_token)
    student = [draw(2, 1 + 9, 3, seed=n) for n in range(3)]  # a class token
    teacher = [draw(2, 1 + 9, 4, seed=n) for n in range(3, 6)]
    torch.manual_seed(4)
    actual = loss(tuple(student), tuple(teacher), None)
    torch.manual_seed(4)
    noise = torch.rand(2, 9)
    low = [
        reference.squared_error(align(s[:, 1:])[n].tolist(), t[n, 1:].tolist())
        for n in range(2)
        for align, s, t in zip(loss.align_low, student, teacher)
    ]
    expected = [0.5 * (low[0] + low[1]), 0.5 * (low[2] + low[3])]
    assert actual['mimicking'].tolist() == pytest.approx(expected, rel=1e-10)
    expected = [
        reference.vitkd_generation(
            loss.align_high(student[2][n, 1:]).tolist(),
            teacher[2][n, 1:].tolist(),
            noise[n].tolist(),
            loss.mask_token.flatten().tolist(),
            *convolutions(loss.generation),
            (2.0, 0.3),
        )
        for n in range(2)
    ]
    assert actual['generation'].tolist() == pytest.approx(expected, rel=1e-10)


def test_equal_channels_need_no_projection():
    assert isinstance(vitkd(4, 4).align_high, nn.Identity)


@tiny.needs_safe_globals
def test_parameters_are_trained_saved_and_resumed_beside_nkd(tmp_path):
    losses = {'feat': {'type': 'ViTKDLoss'}, **tiny.nkd()}
    teacher = tiny.teacher(tiny.vit(dims=24))
    check_training(tiny.distilled(tiny.vit(), teacher, losses), tmp_path)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (TAPS, 'lists of one length'),
        ({'teacher_taps': LAYERS[:2]}, 'lists of one length'),
        ({'mask_ratio': 0}, 'mask_ratio` to be positive.*got 0'),
        ({'beta': -1}, 'beta.*got -1'),
    ],
)
def test_bad_settings_are_refused_before_training(options, message):
    with pytest.raises(ValueError, match=message):
        ViTKDLoss(**options)
