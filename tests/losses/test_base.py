"""The loss modules: shells around the functions, registered for all."""

import pytest
import tiny
import torch
from features import TAPS, distilled
from mmengine.registry import MODELS
from mmpretrain.models import ImageClassifier
from on_logits import ON_LOGITS, STUDENT, TARGET, TEACHER, total

import mmnkd.losses
from mmnkd import functional
from mmnkd.losses import (
    DistillLoss,
    MeasuredLoss,
    MGDLoss,
    NKDLoss,
    TeacherLogitsLoss,
    TFNKDLoss,
)


def test_every_loss_of_the_folder_is_in_the_root_registry():
    kinds = {k: v for k, v in vars(mmnkd.losses).items() if type(v) is type}
    assert kinds.keys() == set(mmnkd.losses.__all__)
    bases = {parent for kind in kinds.values() for parent in kind.__mro__[1:]}
    for name, kind in kinds.items():
        assert (kind in bases) != (MODELS.get(name) is kind), name


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
@pytest.mark.parametrize('standardize', [False, True])
@pytest.mark.parametrize('name', ON_LOGITS)
def test_modules_are_the_functions_times_their_weight(
    name, standardize, reduction
):
    function, takes_target, settings = ON_LOGITS[name]
    given = {'loss_weight': 0.5, 'reduction': reduction, **settings}
    pair = (STUDENT, TEACHER)
    if name != 'HardLabelLoss':  # whose teacher says a class
        given['standardize'] = standardize
        if standardize:
            pair = tuple(map(functional.standardize, pair))
    module = MODELS.build({'type': name, **given})
    expected = function(
        *pair, *[TARGET] * takes_target, **settings, reduction=reduction
    )
    actual = total(module(STUDENT, TEACHER, TARGET))
    torch.testing.assert_close(actual, 0.5 * expected)
    assert isinstance(module, TeacherLogitsLoss) == ('standardize' in given)
    assert not module.state_dict()


@pytest.mark.parametrize(
    ('name', 'others'),
    [
        ('NKDLoss', 'nontarget'),
        ('DKDLoss', 'nontarget'),
        ('RLDLoss', 'nontarget'),
        ('WKDLoss', 'transport'),
    ],
)
def test_terms_are_logged_apart(name, others):
    module = MODELS.build({'type': name, **ON_LOGITS[name][2]})
    assert list(module(STUDENT, TEACHER, TARGET)) == ['target', others]


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_tf_nkd_module_is_the_function_times_its_weight(reduction):
    module = TFNKDLoss(loss_weight=2.0, reduction=reduction)
    expected = 2.0 * functional.tf_nkd_loss(
        STUDENT, TARGET, reduction=reduction
    )
    assert torch.equal(module(STUDENT, None, TARGET), expected)
    assert module.teacher_taps is None
    assert not module.state_dict()


def test_repr_shows_the_settings():
    text = repr(NKDLoss(temperature=3.0, student_taps='head.fc'))
    assert 'temperature=3.0' in text
    assert "student_taps='head.fc'" in text
    assert 'training' not in text
    assert 'schedule' not in text
    assert 'LinearLR' in repr(NKDLoss(weight_schedule={'type': 'LinearLR'}))


@pytest.mark.parametrize('setting', ['loss_weight', 'reduction'])
@pytest.mark.parametrize('value', [-1, float('nan')])
def test_bad_settings_of_all_losses_are_refused(setting, value):
    with pytest.raises(ValueError, match=rf'{setting}` to be.*got {value}'):
        TFNKDLoss(**{setting: value})


@pytest.mark.parametrize('name', ON_LOGITS)
def test_negative_settings_are_refused_before_training(name):
    settings = ON_LOGITS[name][2]
    for setting in settings:
        with pytest.raises(ValueError, match=rf'{setting}` to be.*got -1'):
            MODELS.build({'type': name, **settings, setting: -1})


def test_taps_are_those_of_the_class_unless_the_config_names_others():
    class OnLayer(DistillLoss):
        student_taps = 'backbone.layer1'
        teacher_taps = None

    assert OnLayer().student_taps == 'backbone.layer1'
    assert OnLayer().teacher_taps is None
    assert OnLayer(student_taps='neck').student_taps == 'neck'
    assert NKDLoss().teacher_taps == 'logits'


def test_taps_that_are_no_names_are_refused():
    with pytest.raises(TypeError, match=r'taps to be a name.*got \[1\]'):
        DistillLoss(student_taps=[1])


# Sizes that are declared, or measured when the model is built.


class Named(MGDLoss):
    """A loss whose class names the taps."""

    student_taps = teacher_taps = 'backbone.layer2'


def test_a_loss_on_features_needs_their_names():
    assert Named(student_channels=8, teacher_channels=16).generation
    with pytest.raises(ValueError, match="MGDLoss to name.*got 'logits'"):
        MGDLoss(student_channels=8, teacher_channels=16)


@pytest.mark.parametrize('count', [0, 2.0, True, '2'])
def test_sizes_that_are_no_counts_are_refused(count):
    with pytest.raises(ValueError, match='student_channels.*positive int'):
        MGDLoss(**TAPS, student_channels=count)


def test_a_loss_of_ones_own_says_its_sizes_and_builds():
    loss = MeasuredLoss({'width': None})
    assert loss.unknown_sizes == ['width']
    for method in (loss.build, lambda: loss.sizes(None, None)):
        with pytest.raises(NotImplementedError, match='^$'):
            method()


def test_sizes_are_measured_without_a_trace_on_the_student():
    model = tiny.build(distilled('MGDLoss', student_channels=8))
    assert all(module.training for module in model.modules())
    assert model.teacher.network is None
    loss = model.distill_losses['feat']
    assert (loss.student_channels, loss.teacher_channels) == (8, 16)
    assert not model.distill_losses.unmeasured()
    listed = distilled('MGDLoss')
    tap = listed['distill_losses']['feat'].pop('teacher_taps')
    listed['distill_losses']['feat']['teacher_taps'] = f'0.{tap}'
    listed['teacher'] = [listed['teacher']]
    loss = tiny.build(listed).distill_losses['feat']
    assert (loss.student_channels, loss.teacher_channels) == (8, 16)


def test_declared_sizes_build_no_teacher(monkeypatch):
    declared = {'student_channels': 8, 'teacher_channels': 16}
    config = distilled('MGDLoss', **declared)
    missing = tiny.teacher('no/such/config.py', checkpoint='no/such.pth')
    model = tiny.build({**config, 'teacher': missing})
    assert list(model.distill_losses['feat'].parameters())
    monkeypatch.setattr(ImageClassifier, 'forward', None)
    tiny.build(config)


def test_wrong_declarations_name_the_right_ones():
    for name, right in (('student_channels', 8), ('teacher_channels', 16)):
        channels = {'student_channels': 8, 'teacher_channels': 16, name: 9}
        model = tiny.build(distilled('MGDLoss', **channels))
        with pytest.raises(ValueError, match=f'`{name}` to be {right}.*got 9'):
            model.loss(*tiny.batch())


def test_measuring_downloads_nothing(monkeypatch):
    timm = pytest.importorskip('timm.models')
    asked, create = [], timm.create_model

    def create_model(*args, pretrained=False, **kwargs):
        asked.append(pretrained)
        return create(*args, **kwargs)

    monkeypatch.setattr(timm, 'create_model', create_model)
    config = distilled('MGDLoss', teacher_taps='model.layer4')
    teacher = {'type': 'TimmClassifier', 'model_name': 'resnet10t'}
    config['teacher'] = tiny.teacher({**teacher, 'pretrained': True})
    model = tiny.build(config)
    assert model.distill_losses['feat'].teacher_channels == 512
    assert asked == [False]
