"""The losses against the golden values, the formula in loops, gradcheck."""

import pytest
import torch
import torch.nn.functional as F
from draws import EVERY, SHAPES, each_with_targets, logits
from golden import CASES, GOLDEN, golden, settings_of
from torch.autograd import gradcheck

from mmnkd.functional import (
    dkd_loss,
    kd_loss,
    nkd_loss,
    tf_nkd_loss,
    uskd_loss,
    wsld_loss,
)
from mmnkd.functional.closed_form import _forms


def golden_loss(case, student):
    """Compute the loss of one of the golden cases."""
    settings = settings_of(case)
    name = case.split('/')[1]
    if name == 'kd':
        # The released form is a cross-entropy: KL plus the teacher's entropy.
        temperature = settings['temperature']
        log_t = F.log_softmax(golden(case, 'logits_teacher') / temperature, 1)
        entropy = -(log_t.exp() * log_t).sum(dim=1).mean()
        loss = kd_loss(
            student, golden(case, 'logits_teacher'), temperature=temperature
        )
        return settings['alpha'] * (loss + temperature**2 * entropy)
    target = golden(case, 'score' if 'soft_label' in name else 'label')
    if name.startswith('tf_nkd'):
        return tf_nkd_loss(student, target)
    if name.startswith('uskd'):
        weak = F.linear(
            golden(case, 'feat_mid'),
            golden(case, 'fc_weight'),
            golden(case, 'fc_bias'),
        )
        return uskd_loss(student, weak, target, **settings)
    teacher = golden(case, 'logits_teacher')
    if name == 'wsld':
        weight = settings.pop('alpha')
        return weight * wsld_loss(student, teacher, target, **settings)
    loss = dkd_loss if name == 'dkd' else nkd_loss
    return loss(student, teacher, target, **settings)


ON_LOGITS = [c for c in CASES if f'{c}/logits_student' in GOLDEN.files]
IN_BOTH_FORMS = [c for c in ON_LOGITS if c.split('/')[1][:3] in ('nkd', 'dkd')]


@pytest.mark.parametrize(
    ('case', 'form'),
    [(case, 'plain') for case in ON_LOGITS]
    + [(case, 'closed') for case in IN_BOTH_FORMS],
)
def test_losses_reproduce_the_golden_values_and_gradients(case, form):
    student = golden(case, 'logits_student').requires_grad_()
    with _forms(form):
        loss = golden_loss(case, student)
    loss.backward()
    expected = golden(case, 'grad_student')
    torch.testing.assert_close(loss, golden(case, 'loss'), rtol=1e-9, atol=0)
    error = (student.grad - expected).norm() / expected.norm()
    assert error <= 1e-9


@pytest.mark.parametrize('shape', SHAPES)
@each_with_targets(EVERY)
def test_losses_are_the_formulas_in_loops(loss, shape, make_target):
    if 'iterations' in loss.settings and shape == (4, 1000):
        shape = (4, 50)  # its loops are over pairs of classes
    student = logits(shape).requires_grad_()
    inputs = student, logits(shape, seed=1), make_target(shape)
    actual = loss(*inputs, reduction='none')
    expected = loss.in_loops(*inputs)
    assert actual.tolist() == pytest.approx(expected, rel=1e-11, abs=1e-14)


# The weights of WSLD, tf-NKD and USKD are constants of the gradient.
DIFFERENTIABLE = {
    name: loss
    for name, loss in EVERY.items()
    if name not in ('wsld', 'tf_nkd', 'uskd')
}


@pytest.mark.parametrize('shape', [(5, 7), (1, 2), (1, 3), (3, 2)])
@each_with_targets(DIFFERENTIABLE)
def test_losses_pass_gradcheck(loss, shape, make_target):
    student = logits(shape, scale=1.0).requires_grad_()
    rest = logits(shape, seed=1), make_target(shape)
    assert gradcheck(lambda s: loss(s, *rest), student)
