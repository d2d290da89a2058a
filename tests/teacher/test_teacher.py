"""The teacher: what names it, its images, its classes."""

import re

import pytest
import tiny
import torch
from mmengine.config import Config

from mmnkd import FrozenTeacher
from mmnkd.teacher.source import find_weights, read_source


def images(n=2, size=8):
    return tiny.batch(n, size)[0]


def built(options, student=None):
    """Build a teacher for a student with the usual preprocessing."""
    config = {
        **(student or tiny.resnet()),
        'data_preprocessor': dict(tiny.PREPROCESSOR),
    }
    teacher = FrozenTeacher(**options)
    teacher.build(tiny.build(config).data_preprocessor)
    return teacher


# What names a teacher.


def test_model_is_a_config_of_mmpretrain():
    name = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'
    teacher = built({'model': name, 'checkpoint': None})
    assert type(teacher.network.backbone).__name__ == 'ResNet_CIFAR'
    assert teacher(images())['logits'].shape == (2, 10)


def test_model_is_a_name_from_the_model_zoo():
    teacher = built({'model': 'resnet18_8xb16_cifar10', 'checkpoint': None})
    assert type(teacher.network.backbone).__name__ == 'ResNet_CIFAR'
    mean = teacher.network.data_preprocessor.mean.flatten()
    assert mean.tolist() == pytest.approx([125.307, 122.961, 113.8575])


def test_model_is_a_config_file(tmp_path):
    config = Config(
        {
            'model': tiny.resnet(),
            'data_preprocessor': {'mean': [0.0], 'std': [2.0]},
        }
    )
    config.dump(tmp_path / 'teacher.py')
    teacher = built(
        {'model': str(tmp_path / 'teacher.py'), 'checkpoint': None}
    )
    assert teacher.network.data_preprocessor.std.item() == 2.0


@pytest.mark.parametrize(
    ('model', 'error', 'message'),
    [
        (
            'resnet18_8xb16_cifar',
            ValueError,
            'Nearest:.*resnet18_8xb16_cifar10',
        ),
        ('no/such.py', FileNotFoundError, 'config file.*no/such.py'),
        (
            'nopackage::resnet/x.py',
            ValueError,
            'installed package before `::`',
        ),
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


def test_checkpoint_none_keeps_the_models_own_initialisation(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save(weights, tmp_path / 'weights.pth')
    init = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')}
    model = {**tiny.resnet(), 'init_cfg': init}
    teacher = built({'model': model, 'checkpoint': None})
    loaded = teacher.network.state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in weights.items())


@pytest.mark.parametrize('name', ['resnet10t', 'vit_tiny_patch16_224'])
def test_checkpoint_none_keeps_what_timm_loaded(name, monkeypatch):
    timm = pytest.importorskip('timm.models')
    create = timm.create_model

    def create_pretrained(*args, pretrained, **kwargs):
        assert pretrained
        model = create(*args, **kwargs)
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, 0.01)
        return model

    monkeypatch.setattr(timm, 'create_model', create_pretrained)
    model = {'type': 'TimmClassifier', 'model_name': name, 'pretrained': True}
    teacher = built({'model': model, 'checkpoint': None})
    assert all((p == 0.01).all() for p in teacher.network.parameters())


def test_a_distilled_student_is_a_teacher_too(tmp_path):
    student = tiny.distilled(teacher_options=tiny.teacher('no/such.py'))
    torch.save(tiny.build(tiny.resnet()).state_dict(), tmp_path / 'x.pth')
    teacher = built({'model': student, 'checkpoint': tmp_path / 'x.pth'})
    assert teacher.network.teacher is None
    assert teacher(images())['logits'].shape == (2, 10)
    assert 'teacher' in student


def test_weights_are_loaded_from_a_file(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save({'state_dict': weights}, tmp_path / 'weights.pth')
    path = str(tmp_path / 'weights.pth')
    teacher = built({'model': tiny.resnet(), 'checkpoint': path})
    loaded = teacher.network.state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in weights.items())
    assert f'from {path}, in eval mode' in repr(teacher)


def test_building_takes_no_random_numbers_of_the_student():
    preprocessor = tiny.build(tiny.resnet()).data_preprocessor
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    FrozenTeacher(**tiny.teacher()).build(preprocessor)
    assert torch.equal(torch.rand(3), expected)


def test_an_unbuilt_teacher_shows_its_model():
    assert 'resnet34_8xb32_in1k' in repr(
        FrozenTeacher('resnet34_8xb32_in1k', checkpoint=None)
    )


# Its images.


def own_images(**preprocessor):
    return tiny.teacher({**tiny.resnet(), 'data_preprocessor': preprocessor})


FORMATS = [
    {'mean': [123.7, 116.3, 103.5], 'std': [58.4, 57.1, 57.4], 'to_rgb': True},
    {
        'mean': [103.5, 116.3, 123.7],
        'std': [57.4, 57.1, 58.4],
        'to_rgb': False,
    },
    {'mean': [0.0], 'std': [255.0], 'to_rgb': True},
    {'to_rgb': False},
]


@pytest.mark.parametrize('given', FORMATS)
@pytest.mark.parametrize('wanted', FORMATS)
def test_teacher_sees_the_images_as_its_own_preprocessor_makes_them(
    given, wanted
):
    raw = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
    student = tiny.build({**tiny.resnet(), 'data_preprocessor': dict(given)})
    teacher = FrozenTeacher(**own_images(**wanted))
    teacher.build(student.data_preprocessor)
    seen = teacher.network.data_preprocessor({'inputs': raw})['inputs']
    sent = student.data_preprocessor({'inputs': raw})['inputs']
    expected = teacher.network(seen)
    actual = teacher(sent)['logits']
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_equal_images_cost_nothing():
    teacher = built(own_images(**tiny.PREPROCESSOR))
    batch = images()
    assert teacher._adapt(batch) is batch
    assert repr(teacher._adapt) == "the student's"
    teacher = built(tiny.teacher())  # a dict without a data_preprocessor
    assert teacher._adapt(batch) is batch


@pytest.mark.parametrize(
    ('size', 'expected'), [(12, (12, 12)), ([6, 10], (6, 10)), (None, (8, 8))]
)
def test_images_are_resized_when_input_size_says_so(size, expected):
    teacher = built(tiny.teacher(input_size=size))
    seen = []
    teacher.network.backbone.register_forward_pre_hook(
        lambda module, args: seen.append(args[0].shape[-2:])
    )
    teacher(images())
    assert tuple(seen[0]) == expected


def test_repr_says_how_images_are_converted():
    options = own_images(mean=[0.0], std=[1.0], to_rgb=False)
    teacher = built({**options, 'input_size': 16})
    shown = 'channels flipped, other mean and std, resized to (16, 16)'
    assert repr(teacher._adapt) == shown


# Its classes.


def test_class_indices_pick_the_students_classes():
    chosen = [11, 3, 0, 1, 2, 4, 5, 6, 7, 8]
    model = tiny.resnet(classes=12)
    options = tiny.teacher(model, class_indices=chosen, accelerate=False)
    teacher = built(options)
    batch = images()
    everything = teacher.network(batch)
    assert torch.equal(teacher(batch)['logits'], everything[:, chosen])


def test_class_indices_hold_for_a_named_module_of_logits():
    chosen = list(range(9, -1, -1))
    options = tiny.teacher(logits_tap='head.fc', class_indices=chosen)
    teacher = built(options)
    everything = teacher.network(images())
    torch.testing.assert_close(
        teacher(images())['logits'], everything[:, chosen]
    )


def test_a_checkpoint_that_is_no_path_is_refused():
    with pytest.raises(TypeError, match='path, a URL or None, but got True'):
        FrozenTeacher(tiny.resnet(), checkpoint=True)


def test_taps_of_the_teacher_are_recorded():
    teacher = built(tiny.teacher())
    outputs = teacher(images(), {'backbone.layer2'})
    assert set(outputs) == {'backbone.layer2'}
    assert outputs['backbone.layer2'].shape == (2, 16, 4, 4)
    assert not outputs['backbone.layer2'].requires_grad


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'mode': 'test'}, "'eval' or 'train', but got 'test'"),
        ({'input_size': 0}, 'input_size.*positive int.*got 0'),
        ({'input_size': (8, 8, 8)}, r'input_size.*got \(8, 8, 8\)'),
        ({'input_size': 'big'}, "input_size.*got 'big'"),
        ({'input_size': True}, 'input_size.*got True'),
        ({'input_size': 224.0}, r'input_size.*got 224\.0'),
        ({'class_indices': 3}, 'class_indices.*got 3'),
        ({'class_indices': [0, -1]}, r'class_indices.*got \[0, -1\]'),
        ({'class_indices': []}, r'class_indices.*got \[\]'),
    ],
)
def test_bad_options_are_refused_before_anything_is_built(options, message):
    with pytest.raises(ValueError, match=message):
        FrozenTeacher(tiny.resnet(), checkpoint=None, **options)


def test_class_indices_beyond_the_teacher_are_an_error():
    teacher = built(tiny.teacher(class_indices=list(range(1, 11))))
    with pytest.raises(ValueError, match='the 10 classes.*but got 10'):
        teacher(images())
