"""What is refused; no config is written then."""

import pytest
from mmengine.config import Config

from mmnkd.recipes import distill

R18, R34 = 'resnet18_8xb32_in1k', 'resnet34_8xb32_in1k'


@pytest.mark.parametrize(
    ('names', 'options', 'message'),
    [
        (['resnet18'], {}, 'Nearest: resnet18_8xb32_in1k, resnet18_8xb16_ci'),
        (['resnet18_8x32_in1k'], {}, 'Nearest: resnet18_8xb32_in1k, '),
        (['timm:resnet18b'], {}, 'Nearest: resnet18, '),
        (
            ['no.py'],
            {},
            "Expected a config file, but there is none at 'no.py'",
        ),
        (['timm:resnet19'], {}, r'timm.list_models\(\)'),
        (['hf:/no/folder'], {}, "could not read '/no/folder'"),
        (['other::a.py'], {}, '`mmpretrain::` before a config'),
        (['simclr_resnet50_16xb256-coslr-200e_in1k'], {}, 'type SimCLR'),
        ([R18], {'loss': 'nkd'}, 'Expected a teacher, which nkd compares'),
        ([R18, R34], {'loss': 'tf_nkd'}, 'Expected no teacher'),
        ([R18, R34], {'loss': 'nkdd'}, 'Nearest: nkd. '),
        ([R18, R34], {'loss': '?'}, 'Expected a loss of dist, dkd'),
        ([R18, R34], {'settings': ['nkd.gama=1']}, "Nearest: 'gamma'"),
        ([R18, R34], {'settings': ['kd.gamma=1']}, r'Expected nkd.ARGUMENT'),
        ([R18, R34], {'settings': ['nkd.gamma']}, r'Expected nkd.ARGUMENT'),
        ([R18, R34], {'teacher_checkpoint': 'no.pth'}, "none at 'no.pth'"),
        ([R18, R34], {'data': 'no'}, 'a folder of images, but there is none'),
        ([R18, 'resnet34_8xb16_cifar10'], {}, "the student's 1000 classes"),
        ([R18, 'mmpretrain::eva/eva-g-p14_headless.py'], {}, 'has none, or'),
    ],
)
def test_what_can_not_be_written_is_told(names, options, message, tmp_path):
    out = tmp_path / 'my.py'
    with pytest.raises((ValueError, OSError, TypeError), match=message):
        distill(*names, out=str(out), **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('classes', 'parts', 'message'),
    [
        ({'a': 2}, [], 'a folder for each class in .*, but got 1'),
        ({'a': 2, 'b': 1}, [], 'at least 2 images .* got fewer of b'),
        ({'a': 2, 'b': 2}, ['train'], 'to have a folder of val, valid'),
    ],
)
def test_a_folder_that_can_not_be_used_is_told(
    classes, parts, message, tmp_path, folder, small
):
    data = folder(classes, *parts)
    with pytest.raises(ValueError, match=message):
        distill(small['student'], out=str(tmp_path / 'my.py'), data=data)
    assert not (tmp_path / 'my.py').exists()


def test_a_split_with_other_classes_is_told(tmp_path, folder, small):
    data = folder({'a': 2, 'b': 2}, 'train')
    folder({'a': 2, 'c': 2}, 'val')
    with pytest.raises(ValueError, match='b, c are in one only'):
        distill(small['student'], out=str(tmp_path / 'my.py'), data=data)


def test_a_pure_python_student_is_told(tmp_path, small):
    lazy = tmp_path / 'lazy' / 'student.py'
    lazy.parent.mkdir()
    text = Config.fromfile(small['student']).dump()
    kind = "'ImageClassifier'"
    assert kind in text
    lazy.write_text(
        'from mmpretrain.models import ImageClassifier\n'
        + text.replace(kind, 'ImageClassifier')
    )
    with pytest.raises(ValueError, match=r'that my.py can inherit .*\.dump\('):
        distill(str(lazy), out=str(tmp_path / 'my.py'))
    assert not (tmp_path / 'my.py').exists()


def test_nothing_is_overwritten(tmp_path, small):
    out = tmp_path / 'my_teacher.py'
    out.touch()
    with pytest.raises(FileExistsError, match='Name another --out'):
        distill(small['student'], out=str(tmp_path / 'my.py'))
    with pytest.raises(ValueError, match='that ends in .py'):
        distill(small['student'], out=str(tmp_path / 'my.json'))
