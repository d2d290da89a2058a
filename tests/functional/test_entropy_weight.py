"""Weights by entropy: the golden values and what theory says."""

import math

import pytest
import reference_newer as reference
import torch
import torch.nn.functional as F
from newer import cases, check_golden, golden, logits, settings_of

from mmnkd.functional import dkd_loss, entropy_weight, kd_loss


@pytest.mark.parametrize('case', [*cases('ea_kd'), *cases('ea_dkd')])
def test_golden_values_and_gradients_are_reproduced(case):
    settings = settings_of(case)
    temperature = settings.pop('entropy_temperature')

    def loss(student, teacher):
        weight = entropy_weight(student, teacher, temperature=temperature)
        torch.testing.assert_close(
            weight, golden(case, 'weight'), rtol=1e-9, atol=0
        )
        if case.endswith('ea_dkd'):
            rows = dkd_loss(
                student,
                teacher,
                golden(case, 'label'),
                **settings,
                reduction='none',
            )
        else:
            rows = kd_loss(student, teacher, **settings, reduction='none')
        return (weight * rows).mean()

    check_golden(case, loss)


@pytest.mark.parametrize('shape', [(5, 7), (1, 2), (4, 100)])
def test_it_is_the_formula_in_loops(shape):
    student, teacher = logits(shape), logits(shape, seed=1)
    actual = entropy_weight(student, teacher, temperature=2.0)
    expected = reference.entropy_weight(
        student.tolist(), teacher.tolist(), temperature=2.0
    )
    assert actual.tolist() == pytest.approx(expected, rel=1e-11)


def test_two_uniform_networks_weigh_ln_c():
    uniform = torch.zeros(3, 7).double()
    weight = entropy_weight(uniform, uniform, temperature=2.0)
    torch.testing.assert_close(
        weight, torch.full_like(weight, math.log(7)), rtol=1e-14, atol=0
    )


def test_a_certain_teacher_weighs_nothing():
    certain = 1e4 * F.one_hot(torch.tensor([0, 6, 3]), 7).float()
    assert not entropy_weight(torch.zeros(3, 7), certain, temperature=2).any()


def test_no_gradient_flows_through_it():
    student = logits((5, 7)).requires_grad_()
    weight = entropy_weight(student, student, temperature=2.0)
    assert not weight.requires_grad


def test_bad_input_is_refused():
    student = torch.zeros(4, 3)
    with pytest.raises(ValueError, match=r'got \(4, 3\) and \(4, 5\)'):
        entropy_weight(student, torch.zeros(4, 5), temperature=2.0)
    with pytest.raises(ValueError, match='temperature` to be positive'):
        entropy_weight(student, student, temperature=0)
