"""The newer losses as modules: settings, terms, weights of samples, costs."""

import pytest
import tiny
import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file

from mmnkd import functional
from mmnkd.classifier.losses import LossDict
from mmnkd.losses import (
    DistillLoss,
    FeatureCosineLoss,
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


# Costs.


def test_the_cost_of_the_teachers_classifier_is_read_by_a_tap():
    weight = torch.randn(7, 4)
    module = WKDLoss(**{**WKD, 'cost': 'classifier'}, sharpen=2.0)
    assert module.teacher_taps == ('logits', 'head.fc.weight')
    cost = functional.classifier_cost(weight, sharpen=2.0)
    expected = functional.wkd_loss(
        STUDENT, TEACHER, TARGET, **{**WKD, 'cost': cost}
    )
    actual = module(STUDENT, (TEACHER, weight), TARGET)
    torch.testing.assert_close(total(actual), expected)


def test_weights_of_samples_go_with_the_cost_of_a_classifier():
    settings = {**WKD, 'cost': 'classifier', 'sample_weight': ENTROPY}
    module = WKDLoss(**settings, reduction='none')
    plain = WKDLoss(**{**settings, 'sample_weight': None}, reduction='none')
    outputs = STUDENT, (TEACHER, torch.randn(7, 4)), TARGET
    weight = functional.entropy_weight(STUDENT, TEACHER, temperature=2.0)
    torch.testing.assert_close(
        total(module(*outputs)), weight * total(plain(*outputs))
    )


def model_with_cost(teacher_head):
    loss = {'type': 'WKDLoss', **WKD, 'cost': 'classifier'}
    loss['teacher_head'] = teacher_head
    return tiny.build(tiny.distilled(losses={'wkd': loss}))


def test_a_model_trains_with_the_cost_of_its_teachers_classifier():
    model = model_with_cost('head.fc')
    logged = model.loss(*tiny.batch())
    assert {'loss_wkd_target', 'loss_wkd_transport'} < set(logged)
    assert all(torch.isfinite(value).all() for value in logged.values())


def test_a_tap_of_no_classifier_is_refused():
    model = model_with_cost('head.layers.head')
    with pytest.raises(ValueError, match=r"got 'head\.layers\.head\.weight'"):
        model.loss(*tiny.batch())


def write(folder, **tensors):
    save_file(tensors, folder / 'cost.safetensors')
    return folder / 'cost.safetensors'


def test_a_cost_is_read_from_a_file_when_training_starts(tmp_path):
    module = WKDLoss(**{**WKD, 'cost': tmp_path / 'cost.safetensors'})
    with pytest.raises(FileNotFoundError, match=r'file with a cost.*none at'):
        module(STUDENT, TEACHER, TARGET)
    cost = torch.rand(7, 7)
    write(tmp_path, cost=cost)
    expected = functional.wkd_loss(
        STUDENT, TEACHER, TARGET, **{**WKD, 'cost': cost}
    )
    for _ in range(2):
        actual = module(STUDENT, TEACHER, TARGET)
        torch.testing.assert_close(total(actual), expected)
    assert not module.state_dict()


@pytest.mark.parametrize(
    ('tensors', 'message'),
    [
        ({'c': torch.rand(7, 7)}, "tensor `cost`.*'cost'"),
        ({'cost': torch.rand(7, 7) - 1}, 'at least 0'),
        ({'cost': torch.rand(7, 6)}, r'got \(7, 6\)'),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, tensors, message):
    module = WKDLoss(**{**WKD, 'cost': write(tmp_path, **tensors)})
    with pytest.raises(ValueError, match=message):
        module(STUDENT, TEACHER, TARGET)


def test_a_broken_file_is_refused(tmp_path):
    file = tmp_path / 'cost.safetensors'
    file.write_bytes(b'no tensors')
    with pytest.raises(ValueError, match=r'Expected .*cost\.safetensors'):
        WKDLoss(**{**WKD, 'cost': file})(STUDENT, TEACHER, TARGET)


def test_a_cost_of_other_classes_is_refused(tmp_path):
    file = write(tmp_path, cost=torch.rand(4, 4))
    with pytest.raises(ValueError, match=r'shape \(7, 7\).*got \(4, 4\)'):
        WKDLoss(**{**WKD, 'cost': file})(STUDENT, TEACHER, TARGET)


def test_gamma_follows_its_schedule_the_target_term_does_not(tmp_path):
    schedule = {'type': 'CosineAnnealingLR', 'T_max': 4}
    wkd = {'type': 'WKDLoss', **WKD, 'gamma_schedule': schedule}
    run = tiny.runner(tiny.distilled(losses={'wkd': wkd}), tmp_path, epochs=3)
    gammas = []
    compute = run.model.distill_losses.compute

    def watched(*outputs):
        logged = compute(*outputs)
        gammas.append(logged['gamma_wkd'].item())
        return logged

    run.model.distill_losses.compute = watched
    run.train()
    per_epoch = len(gammas) // 3
    expected = [3.0, 3.0 * (1 + 0.5**0.5) / 2, 1.5]
    assert gammas[::per_epoch] == pytest.approx(expected)


# Teachers without classes.

COSINE = {'student_taps': 'backbone.layer2', 'teacher_taps': 'backbone'}


def cosine_model(teacher):
    losses = {'cosine': {'type': 'FeatureCosineLoss', **COSINE}}
    return tiny.build(tiny.distilled(None, tiny.teacher(teacher), losses))


def test_feature_cosine_is_1_less_the_cosine_of_pooled_features():
    module = FeatureCosineLoss(
        **COSINE,
        student_channels=4,
        teacher_channels=6,
        reduction='none',
        loss_weight=2.0,
    )
    student, teacher = torch.randn(3, 4, 2, 2), torch.randn(3, 5, 6)
    actual = module(student, teacher, None)
    for row in range(3):
        s = module.projection(student[row].mean(dim=(1, 2)))
        t = teacher[row, 0]  # the class token of a grid of 2x2
        expected = 2 * (1 - s @ t / (s.norm() * t.norm()))
        torch.testing.assert_close(actual[row], expected)


def test_a_teacher_without_a_head_teaches_features():
    model = cosine_model({**tiny.vit(), 'head': None})
    images, samples = tiny.batch()
    logged = model.loss(images, samples)
    assert 0 < logged['loss_cosine'] < 2
    sum(value for key, value in logged.items() if 'loss' in key).backward()
    assert model.distill_losses['cosine'].projection.weight.grad.any()


TIMM = {
    'type': 'TimmClassifier',
    'model_name': 'resnet10t',
    'pretrained': False,
    'num_classes': 0,
}


@pytest.mark.parametrize(
    'teacher', [{**tiny.vit(), 'head': None}, TIMM], ids=['mmpretrain', 'timm']
)
def test_a_teacher_without_classes_is_refused_by_a_loss_on_logits(teacher):
    model = tiny.build(tiny.distilled(None, tiny.teacher(teacher)))
    with pytest.raises(ValueError, match=r'with classes.*FeatureCosineLoss'):
        model.init_weights()
