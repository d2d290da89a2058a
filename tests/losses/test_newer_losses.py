"""Weights of samples, and the settings of the newer losses."""

import pytest
import torch
from mmengine.registry import MODELS
from on_logits import (
    ENTROPY,
    ON_LOGITS,
    RLD,
    STUDENT,
    TARGET,
    TEACHER,
    WKD,
    total,
)

from mmnkd import functional
from mmnkd.classifier.losses import LossDict
from mmnkd.losses import (
    DistillLoss,
    HardLabelLoss,
    NKDLoss,
    RLDLoss,
    TTMLoss,
    WKDLoss,
    WTTMLoss,
)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
@pytest.mark.parametrize('name', sorted({*ON_LOGITS} - {'DISTLoss'}))
def test_weights_of_samples_multiply_their_rows(name, reduction):
    function, takes_target, settings = ON_LOGITS[name]
    inputs = STUDENT, TEACHER, *[TARGET] * takes_target
    rows = function(*inputs, **settings, reduction='none')
    given = {'sample_weight': ENTROPY, 'reduction': reduction, **settings}
    module = MODELS.build({'type': name, **given})
    weight = functional.entropy_weight(STUDENT, TEACHER, temperature=2.0)
    torch.testing.assert_close(
        total(module(STUDENT, TEACHER, TARGET)),
        functional.reduce_loss(weight * rows, reduction),
    )


def test_weights_of_samples_are_those_of_the_logits_as_they_come():
    module = NKDLoss(standardize=True, sample_weight=ENTROPY, reduction='none')
    plain = NKDLoss(standardize=True, reduction='none')
    weight = functional.entropy_weight(STUDENT, TEACHER, temperature=2.0)
    torch.testing.assert_close(
        total(module(STUDENT, TEACHER, TARGET)),
        weight * total(plain(STUDENT, TEACHER, TARGET)),
    )


@pytest.mark.parametrize('kind', ['NKDLoss', 'KDLoss'])
def test_the_mean_weight_is_logged_and_not_summed(kind):
    losses = LossDict({'ea': {'type': kind, 'sample_weight': ENTROPY}})
    outputs = {'logits': STUDENT}, {'logits': TEACHER}
    logged = losses.compute(*outputs, TARGET)
    weight = functional.entropy_weight(STUDENT, TEACHER, temperature=2.0)
    assert logged['sample_weight_ea'] == weight.mean()
    assert not [k for k in logged if 'loss' in k and 'weight' in k]
    assert 'logged' not in repr(losses)


def test_what_is_logged_beside_a_loss_has_no_loss_in_its_name():
    class Mine(DistillLoss):
        def forward(self, student, teacher, target):
            self.logged['my_loss'] = student.mean()
            return student.sum()

    losses = LossDict({'mine': Mine()})
    with pytest.raises(ValueError, match=r"without 'loss'.*'my_loss'"):
        losses.compute({'logits': STUDENT}, {'logits': TEACHER}, TARGET)


def test_dist_has_no_rows_to_weigh():
    with pytest.raises(ValueError, match='no `sample_weight` of DISTLoss'):
        MODELS.build({'type': 'DISTLoss', 'sample_weight': ENTROPY})


@pytest.mark.parametrize(
    'setting',
    [
        {'type': 'entropy'},
        {'type': 'confidence', 'temperature': 2.0},
        {**ENTROPY, 'gamma': 1},
        2.0,
    ],
)
def test_weights_of_samples_of_another_kind_are_refused(setting):
    with pytest.raises(ValueError, match=r"dict\(type='entropy', temp"):
        NKDLoss(sample_weight=setting)


def test_a_weight_at_no_temperature_is_refused():
    with pytest.raises(ValueError, match=r'sample_weight.temperature` to be'):
        NKDLoss(sample_weight={**ENTROPY, 'temperature': 0})


@pytest.mark.parametrize(
    ('kind', 'settings', 'message'),
    [
        (TTMLoss, {'temperature': 0}, 'temperature` to be positive'),
        (WTTMLoss, {'temperature': -1}, 'temperature` to be positive'),
        (RLDLoss, {**RLD, 'alpha': -1}, 'alpha` to be.*got -1'),
        (RLDLoss, {**RLD, 'beta': -1}, 'beta` to be.*got -1'),
        (RLDLoss, {**RLD, 'alpha_temperature': 0}, 'alpha_temp.*got 0'),
        (WKDLoss, {**WKD, 'gamma': -1}, 'gamma` to be.*got -1'),
        (WKDLoss, {**WKD, 'sharpen': -1}, 'sharpen` to be.*got -1'),
        (WKDLoss, {**WKD, 'regularization': 0}, 'regularization.*got 0'),
        (WKDLoss, {**WKD, 'iterations': 0}, 'iterations` to be.*got 0'),
        (WKDLoss, {**WKD, 'cost': -1}, 'cost` to be.*got -1'),
        (WKDLoss, {**WKD, 'cost': 'fc'}, r"'classifier' or a \.saf.*'fc'"),
        (WKDLoss, {**WKD, 'cost': [1]}, r'got \[1\]'),
        (HardLabelLoss, {'loss_weight': -1}, 'loss_weight` to be'),
    ],
)
def test_bad_settings_are_refused_before_training(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)


@pytest.mark.parametrize('kind', [TTMLoss, WTTMLoss, RLDLoss, WKDLoss])
def test_settings_without_a_published_value_have_no_default(kind):
    with pytest.raises(TypeError, match='temperature'):
        kind()
