"""The loss modules: shells around the functions, registered for all."""

import pytest
import torch
from mmengine.registry import MODELS

import mmnkd.losses
from mmnkd import functional
from mmnkd.losses import (
    DistillLoss,
    FeatureLoss,
    MeasuredLoss,
    NKDLoss,
    TeacherLogitsLoss,
    TFNKDLoss,
)

STUDENT = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
TEACHER = STUDENT.flip(0) * 2
TARGET = torch.tensor([0, 6, 3, 3, 1])
ON_LOGITS = {  # type: (function, whether it takes the target, settings)
    'NKDLoss': (functional.nkd_loss, True, {'temperature': 3, 'gamma': 3.5}),
    'KDLoss': (functional.kd_loss, False, {'temperature': 4}),
    'DKDLoss': (
        functional.dkd_loss,
        True,
        {'temperature': 2, 'alpha': 0.5, 'beta': 3},
    ),
    'WSLDLoss': (functional.wsld_loss, True, {'temperature': 3}),
    'DISTLoss': (
        functional.dist_loss,
        False,
        {'temperature': 2, 'beta': 2, 'gamma': 3},
    ),
}


def total(result):
    """Return the sum of what mmengine sums."""
    return result if isinstance(result, torch.Tensor) else sum(result.values())


def test_every_loss_of_the_folder_is_in_the_root_registry():
    bases = {DistillLoss, TeacherLogitsLoss, MeasuredLoss, FeatureLoss}
    found = {
        name
        for name in mmnkd.losses.__all__
        if getattr(mmnkd.losses, name) not in bases
    }
    assert found >= {*ON_LOGITS, 'TFNKDLoss', 'USKDLoss'}
    assert found >= {'MGDLoss', 'SRRLLoss', 'ViTKDLoss'}
    for name in found:
        assert MODELS.get(name) is getattr(mmnkd.losses, name)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
@pytest.mark.parametrize('standardize', [False, True])
@pytest.mark.parametrize('name', ON_LOGITS)
def test_modules_are_the_functions_times_their_weight(
    name, standardize, reduction
):
    function, takes_target, settings = ON_LOGITS[name]
    module = MODELS.build(
        {
            'type': name,
            **settings,
            'standardize': standardize,
            'loss_weight': 0.5,
            'reduction': reduction,
        }
    )
    assert isinstance(module, TeacherLogitsLoss)
    pair = (STUDENT, TEACHER)
    if standardize:
        pair = tuple(map(functional.standardize, pair))
    expected = function(
        *pair, *[TARGET] * takes_target, **settings, reduction=reduction
    )
    actual = total(module(STUDENT, TEACHER, TARGET))
    torch.testing.assert_close(actual, 0.5 * expected)


def test_terms_are_logged_apart():
    for name in ('NKDLoss', 'DKDLoss'):
        terms = MODELS.build({'type': name})(STUDENT, TEACHER, TARGET)
        assert list(terms) == ['target', 'nontarget']


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_tf_nkd_module_is_the_function_times_its_weight(reduction):
    module = TFNKDLoss(loss_weight=2.0, reduction=reduction)
    expected = 2.0 * functional.tf_nkd_loss(
        STUDENT, TARGET, reduction=reduction
    )
    assert torch.equal(module(STUDENT, None, TARGET), expected)
    assert module.teacher_taps is None


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_uskd_module_is_the_function_on_its_weak_head(reduction):
    settings = {'alpha': 0.5, 'beta': 0.3, 'mu': 0.2}
    module = MODELS.build(
        {
            'type': 'USKDLoss',
            'student_taps': ['logits', 'backbone.layer3'],
            'in_channels': 4,
            'num_classes': 7,
            'loss_weight': 2.0,
            'reduction': reduction,
            **settings,
        }
    )
    middle = torch.randn(5, 4, 3, 3)
    terms = module((STUDENT, middle), None, TARGET)
    assert list(terms) == ['target', 'nontarget', 'weak']
    weak = module.weak_head(middle.mean(dim=(2, 3)))
    expected = functional.uskd_loss(
        STUDENT, weak, TARGET, **settings, reduction=reduction
    )
    torch.testing.assert_close(total(terms), 2 * expected)


@pytest.mark.parametrize('name', [*ON_LOGITS, 'TFNKDLoss'])
def test_losses_on_logits_have_nothing_to_save(name):
    assert not MODELS.build({'type': name}).state_dict()


def test_repr_shows_the_settings():
    text = repr(NKDLoss(temperature=3.0, student_taps='head.fc'))
    assert 'temperature=3.0' in text
    assert "student_taps='head.fc'" in text
    assert 'training' not in text
    assert 'schedule' not in text
    assert 'LinearLR' in repr(NKDLoss(weight_schedule={'type': 'LinearLR'}))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'temperature': 0}, 'temperature` to be positive'),
        ({'gamma': -1}, 'gamma` to be finite and at least 0'),
        ({'loss_weight': -1}, 'loss_weight` to be finite and at least 0'),
        ({'loss_weight': float('nan')}, 'loss_weight.*got nan'),
        ({'reduction': 'average'}, "but got 'average'"),
    ],
)
def test_bad_settings_are_refused_before_training(settings, message):
    with pytest.raises(ValueError, match=message):
        NKDLoss(**settings)


@pytest.mark.parametrize(
    ('name', 'setting'),
    [
        *[(name, 'temperature') for name in ON_LOGITS],
        ('DKDLoss', 'alpha'),
        ('DKDLoss', 'beta'),
        ('DISTLoss', 'beta'),
        ('DISTLoss', 'gamma'),
    ],
)
def test_negative_settings_are_refused_before_training(name, setting):
    with pytest.raises(ValueError, match=rf'{setting}` to be.*got -1'):
        MODELS.build({'type': name, setting: -1})


def test_taps_are_those_of_the_class_unless_the_config_names_others():
    class FeatureLoss(DistillLoss):
        student_taps = 'backbone.layer1'
        teacher_taps = None

    assert FeatureLoss().student_taps == 'backbone.layer1'
    assert FeatureLoss().teacher_taps is None
    assert FeatureLoss(student_taps='neck').student_taps == 'neck'
    assert NKDLoss().teacher_taps == 'logits'


def test_taps_that_are_no_names_are_refused():
    with pytest.raises(TypeError, match=r'taps to be a name.*got \[1\]'):
        DistillLoss(student_taps=[1])
