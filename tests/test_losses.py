"""The loss modules: shells around the functions, registered for all."""

import pytest
import torch
from mmengine.registry import MODELS

from mmnkd.functional import nkd_loss, tf_nkd_loss
from mmnkd.losses import DistillLoss, NKDLoss, TFNKDLoss

STUDENT = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
TEACHER = STUDENT.flip(0) * 2
TARGET = torch.tensor([0, 6, 3, 3, 1])


def test_losses_are_in_the_root_registry():
    loss = MODELS.build({'type': 'NKDLoss', 'temperature': 3, 'gamma': 3.5})
    assert isinstance(loss, NKDLoss)
    assert isinstance(MODELS.build({'type': 'TFNKDLoss'}), TFNKDLoss)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_nkd_module_is_the_function_times_its_weight(reduction):
    module = NKDLoss(3.0, 3.5, loss_weight=0.5, reduction=reduction)
    terms = module(STUDENT, TEACHER, TARGET)
    assert list(terms) == ['target', 'nontarget']
    expected = nkd_loss(
        STUDENT,
        TEACHER,
        TARGET,
        temperature=3.0,
        gamma=3.5,
        reduction=reduction,
    )
    torch.testing.assert_close(sum(terms.values()), 0.5 * expected)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_tf_nkd_module_is_the_function_times_its_weight(reduction):
    module = TFNKDLoss(loss_weight=2.0, reduction=reduction)
    expected = 2.0 * tf_nkd_loss(STUDENT, TARGET, reduction=reduction)
    assert torch.equal(module(STUDENT, None, TARGET), expected)
    assert module.teacher_taps is None


def test_losses_have_nothing_to_save():
    assert not NKDLoss().state_dict()
    assert not TFNKDLoss().state_dict()


def test_repr_shows_the_settings():
    text = repr(NKDLoss(temperature=3.0, student_taps='head.fc'))
    assert 'temperature=3.0' in text
    assert "student_taps='head.fc'" in text
    assert 'training' not in text


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
