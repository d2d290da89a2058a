"""TTM and WTTM: the golden values and what theory says."""

import math

import pytest
import torch
import torch.nn.functional as F
from newer import cases, check_golden, golden, logits, settings_of

from mmnkd.functional import kd_loss, ttm_loss, wttm_loss

STUDENT, TEACHER = logits((5, 7)), logits((5, 7), seed=1)


@pytest.mark.parametrize('case', [*cases('ttm'), *cases('wttm')])
def test_golden_values_and_gradients_are_reproduced(case):
    loss = ttm_loss if case.endswith('/ttm') else wttm_loss
    check_golden(case, lambda s, t: loss(s, t, **settings_of(case)))


@pytest.mark.parametrize('case', cases('wttm'))
def test_golden_weights_are_reproduced(case):
    inputs = golden(case, 'logits_student'), golden(case, 'logits_teacher')
    settings = {**settings_of(case), 'reduction': 'none'}
    weight = wttm_loss(*inputs, **settings) / ttm_loss(*inputs, **settings)
    torch.testing.assert_close(
        weight, golden(case, 'weight'), rtol=1e-9, atol=0
    )


def test_at_temperature_1_both_are_kd():
    expected = kd_loss(STUDENT, TEACHER)
    for loss in (ttm_loss, wttm_loss):
        actual = loss(STUDENT, TEACHER, temperature=1.0)
        torch.testing.assert_close(actual, expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize('temperature', [0.5, 2.0, 4.0])
def test_ttm_is_kd_less_renyi_entropy(temperature):
    kd = kd_loss(STUDENT, TEACHER, temperature=temperature, reduction='none')
    a = 1 / temperature
    s = F.softmax(STUDENT, dim=1)
    renyi = (s**a).sum(dim=1).log() / (1 - a)
    t = F.softmax(TEACHER / temperature, dim=1)
    entropy = -(t * t.log()).sum(dim=1)
    expected = kd / temperature - (temperature - 1) * (renyi - entropy)
    actual = ttm_loss(
        STUDENT, TEACHER, temperature=temperature, reduction='none'
    )
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def test_gradient_of_wttm_is_the_weighted_difference():
    student = STUDENT.clone().requires_grad_()
    wttm_loss(student, TEACHER, temperature=4.0, reduction='sum').backward()
    weight = (F.softmax(TEACHER, dim=1) ** 0.25).sum(dim=1, keepdim=True)
    difference = F.softmax(STUDENT, dim=1) - F.softmax(TEACHER / 4, dim=1)
    torch.testing.assert_close(student.grad, weight * difference)


def test_a_certain_teacher_makes_it_cross_entropy():
    target = torch.tensor([0, 6, 3, 3, 1])
    certain = 1e4 * F.one_hot(target, 7).double()
    for loss in (ttm_loss, wttm_loss):
        torch.testing.assert_close(
            loss(STUDENT, certain, temperature=4.0),
            F.cross_entropy(STUDENT, target),
        )


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_classes_far_below_the_top_keep_their_share_of_the_weight(dtype):
    # A softmax in float32 is 0 from 104 below on, and 0 ** 0.1 is lost.
    teacher = torch.tensor([[0.0, -120.0]], dtype=dtype)
    student = torch.zeros(1, 2, dtype=dtype)
    settings = {'temperature': 10.0}
    ratio = wttm_loss(student, teacher, **settings) / ttm_loss(
        student, teacher, **settings
    )
    assert ratio.item() == pytest.approx(1 + math.exp(-12), rel=1e-6)
