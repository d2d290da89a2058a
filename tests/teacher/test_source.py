"""What names a model: a config file, a model-zoo name, or a dict."""

import re

import pytest
import tiny
import torch
from mmengine.config import Config

from mmnkd import FrozenTeacher
from mmnkd.teacher.source import find_weights, read_source


@pytest.mark.parametrize(
    'model',
    [
        'mmpretrain::resnet/resnet18_8xb16_cifar10.py',
        'resnet18_8xb16_cifar10',
    ],
)
def test_model_is_a_config_of_mmpretrain_or_a_name_of_its_zoo(model):
    config, size, _ = read_source(model)
    assert config.backbone.type == 'ResNet_CIFAR'
    assert config.data_preprocessor.mean == [125.307, 122.961, 113.8575]
    assert config._scope_ == 'mmpretrain'
    assert size is None


def test_model_is_a_config_file(tmp_path):
    preprocessor = {'mean': [0.0], 'std': [2.0]}
    crop = {'type': 'CenterCrop', 'crop_size': 12}
    Config(
        {
            'model': tiny.resnet(),
            'data_preprocessor': preprocessor,
            'test_pipeline': [{'type': 'LoadImageFromFile'}, crop],
        }
    ).dump(tmp_path / 'teacher.py')
    for path in (tmp_path / 'teacher.py', str(tmp_path / 'teacher.py')):
        config, size, _ = read_source(path)
        assert config.data_preprocessor == preprocessor
        assert size == (12, 12)
    teacher = tiny.built_teacher(tmp_path / 'teacher.py')
    assert teacher.network.data_preprocessor.std.item() == 2.0


def test_images_are_as_large_as_the_test_data_says(tmp_path):
    crops = [[{'type': 'CenterCrop', 'crop_size': n}] for n in (224, 288)]
    config = Config({'model': tiny.resnet(), 'test_pipeline': crops[0]})
    inner = {'dataset': {'pipeline': crops[1]}}
    config.test_dataloader = {'dataset': inner}
    config.dump(tmp_path / 'teacher.py')
    assert read_source(tmp_path / 'teacher.py').image_size == (288, 288)


@pytest.mark.parametrize(
    ('model', 'error', 'message'),
    [
        (
            'resnet18_8xb16_cifar',
            ValueError,
            'Nearest:.*resnet18_8xb16_cifar10',
        ),
        ('no/such.py', FileNotFoundError, 'config file.*no/such.py.* from'),
        ('/no/such.py', FileNotFoundError, r"none at '/no/such.py'\.$"),
        ('nopackage::resnet/x.py', ValueError, 'installed package before'),
        ('mmpretrain::resnet/none.py', FileNotFoundError, 'none'),
        ({'backbone': {}}, ValueError, r"'type', but got.*\['backbone'\]"),
        ('configs/_base_/digits.py', ValueError, 'config with a `model`'),
        (3, TypeError, 'config file, a name.*but got int'),
    ],
)
def test_what_names_no_model_is_an_error(model, error, message):
    with pytest.raises(error, match=message):
        read_source(model)


def test_the_error_for_no_checkpoint_offers_the_weights_of_the_zoo():
    known = find_weights('resnet34_8xb32_in1k')
    assert known.endswith('resnet34_8xb32_in1k_20210831-f257d4e6.pth')
    for model in (
        'resnet34_8xb32_in1k',
        'mmpretrain::resnet/resnet34_8xb32_in1k.py',
    ):
        with pytest.raises(ValueError, match=re.escape(known)):
            FrozenTeacher(model)
    assert find_weights('mine.py') is None
    assert find_weights({'type': 'ImageClassifier'}) is None


def test_a_distilled_student_is_a_teacher_too(tmp_path):
    student = tiny.distilled(teacher_options=tiny.teacher('no/such.py'))
    assert not {'teacher', 'distill_losses'} & set(read_source(student)[0])
    assert {'teacher', 'distill_losses'} < set(student)  # a copy was read
    torch.save(tiny.build(tiny.resnet()).state_dict(), tmp_path / 'x.pth')
    teacher = tiny.built_teacher(student, checkpoint=tmp_path / 'x.pth')
    assert teacher.network.teacher is None
    assert teacher(tiny.batch()[0])['logits'].shape == (6, 10)
