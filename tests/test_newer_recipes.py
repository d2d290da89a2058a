"""The newer recipes: right by value."""

import copy

import pytest
from command import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS
from newer_recipes import CIFAR, IMAGENET, MOBILENET, NEWER
from recipe_files import check_teacher, read

CONFIG = pytest.mark.parametrize('name', NEWER)


def plain_of(name):
    """Return mmpretrain's config of the student, or our baseline."""
    if name.endswith(IMAGENET):
        return 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
    if name.endswith(MOBILENET):
        return ROOT / 'configs/baseline/baseline_mobilenet-v1_8xb32_in1k.py'
    if name.endswith(CIFAR):
        return ROOT / 'configs/baseline/baseline_resnet18_8xb16_cifar100.py'
    return (
        'mmpretrain::'
        + {
            'deit': 'deit/deit-tiny-distilled_4xb256_in1k.py',
            'levit': 'levit/levit-128s_8xb256_in1k.py',
            'resnet50': 'resnet/resnet50_8xb32_in1k.py',
            'resnet50-rsb': 'resnet/resnet50_8xb256-rsb-a2-300e_in1k.py',
            'convnext': 'convnext/convnext-tiny_32xb128_in1k.py',
        }[name.split('_')[2].removesuffix('-a2').split('-1')[0].split('-t')[0]]
    )


@CONFIG
def test_students_keep_the_recipe_that_they_have_without_a_teacher(name):
    config = read(name)
    source = str(plain_of(name))
    plain = Config.fromstring(f"_base_ = '{source}'", '.py')
    for key, value in plain.items():
        if key not in ('model', 'custom_imports'):
            assert config[key] == value, key
    model = copy.deepcopy(config.model)
    for key in ('teacher', 'distill_losses', 'student_loss_weight'):
        model.pop(key, None)
    model.type = plain.model.type
    model.head.type = plain.model.head.type
    assert model == plain.model


@CONFIG
def test_losses_have_the_published_values(name):
    expected = dict(NEWER[name])
    model = read(name).model
    own = expected.pop('student_loss_weight', 1.0)
    assert model.get('student_loss_weight', 1.0) == own
    assert model.distill_losses.keys() == expected.keys()
    for key, settings in expected.items():
        given = dict(model.distill_losses[key])
        kind = MODELS.get(given.pop('type'))
        loss = kind(**given)
        settings = {'loss_weight': 1.0, 'weight_schedule': None, **settings}
        for setting, value in settings.items():
            found = getattr(loss, setting)
            if setting.endswith('_schedule') and value is not None:
                found = found.schedulers[0]
            assert found == value, setting


@CONFIG
def test_teachers_have_the_weights_that_belong_to_them(name):
    teacher = read(name).model.teacher
    if 'regnety' in name:
        model = {
            'type': 'TimmClassifier',
            'model_name': 'regnety_160.deit_in1k',
            'pretrained': True,
        }
        assert teacher.to_dict() == {'model': model, 'checkpoint': None}
        return
    check_teacher(name)
