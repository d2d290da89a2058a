"""The newer losses as modules: settings, terms, weights of samples."""

import pytest
import torch
from mmengine.registry import MODELS

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

STUDENT = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
TEACHER = STUDENT.flip(0) * 2
TARGET = torch.tensor([0, 6, 3, 3, 1])
RLD = {'temperature': 2.0, 'alpha': 0.5, 'beta': 3.0}
WKD = {'temperature': 2.0, 'gamma': 3.0, 'cost': 0.62}
NEWER = {  # type: (function, whether it takes the target, settings)
    'TTMLoss': (functional.ttm_loss, False, {'temperature': 4.0}),
    'WTTMLoss': (functional.wttm_loss, False, {'temperature': 4.0}),
    'RLDLoss': (functional.rld_loss, True, {**RLD, 'alpha_temperature': 1.0}),
    'WKDLoss': (functional.wkd_loss, True, {**WKD, 'iterations': 3}),
    'HardLabelLoss': (functional.hard_loss, False, {}),
}
OLDER = {
    'KDLoss': (functional.kd_loss, False, {'temperature': 4.0}),
    'NKDLoss': (functional.nkd_loss, True, {'temperature': 2.0}),
    'DKDLoss': (functional.dkd_loss, True, {'temperature': 2.0}),
    'WSLDLoss': (functional.wsld_loss, True, {'temperature': 2.0}),
}
ENTROPY = {'type': 'entropy', 'temperature': 2.0}
REDUCTIONS = pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])


def total(result):
    """Return the sum of what mmengine sums."""
    return result if isinstance(result, torch.Tensor) else sum(result.values())


def rows_of(function, takes_target, settings, pair=(STUDENT, TEACHER)):
    target = [TARGET] * takes_target
    return function(*pair, *target, **settings, reduction='none')


@REDUCTIONS
@pytest.mark.parametrize('name', NEWER)
def test_modules_are_the_functions_times_their_weight(name, reduction):
    module = MODELS.build(
        {
            'type': name,
            **NEWER[name][2],
            'loss_weight': 0.5,
            'reduction': reduction,
        }
    )
    expected = 0.5 * functional.reduce_loss(rows_of(*NEWER[name]), reduction)
    actual = total(module(STUDENT, TEACHER, TARGET))
    torch.testing.assert_close(actual, expected)
    assert not module.state_dict()


@pytest.mark.parametrize('name', sorted({*NEWER} - {'HardLabelLoss'}))
def test_logits_can_be_standardized_first(name):
    function, takes_target, settings = NEWER[name]
    module = MODELS.build({'type': name, **settings, 'standardize': True})
    pair = functional.standardize(STUDENT), functional.standardize(TEACHER)
    expected = rows_of(function, takes_target, settings, pair).mean()
    actual = total(module(STUDENT, TEACHER, TARGET))
    torch.testing.assert_close(actual, expected)


@REDUCTIONS
@pytest.mark.parametrize('name', {**OLDER, **NEWER})
def test_weights_of_samples_multiply_their_rows(name, reduction):
    rows = rows_of(*{**OLDER, **NEWER}[name])
    module = MODELS.build(
        {
            'type': name,
            **{**OLDER, **NEWER}[name][2],
            'sample_weight': ENTROPY,
            'reduction': reduction,
        }
    )
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


def test_terms_are_logged_apart():
    rld, wkd = RLDLoss(**RLD), WKDLoss(**WKD)
    assert list(rld(STUDENT, TEACHER, TARGET)) == ['target', 'nontarget']
    assert list(wkd(STUDENT, TEACHER, TARGET)) == ['target', 'transport']


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
