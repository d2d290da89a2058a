"""A config from two names: what is in it, that it builds, what is refused."""

import pytest
import tiny
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS
from PIL import Image

from mmnkd.recipes import distill

R18, R34 = 'resnet18_8xb32_in1k', 'resnet34_8xb32_in1k'
PAIRS = [
    (R18, 'resnet50_8xb32_in1k', 'dkd'),
    (R18, 'convnext-tiny_32xb128_in1k', 'kd'),
    ('mobilenet-v2_8xb32_in1k', 'swin-tiny_16xb64_in1k', 'dist'),
    (
        'mobilenet-v3-small-050_3rdparty_in1k',
        'densenet121_3rdparty_in1k',
        'rld',
    ),
    ('shufflenet-v2-1x_16xb64_in1k', 'resnext50-32x4d_8xb32_in1k', 'wsld'),
    ('shufflenet-v1-1x_16xb64_in1k', 'seresnet50_8xb32_in1k', 'wttm'),
    ('deit-tiny_4xb256_in1k', 'deit3-small-p16_3rdparty_in1k', 'nkd'),
    ('deit-tiny_4xb256_in1k', 'regnetx-400mf_8xb128_in1k', 'ttm'),
    ('efficientnet-b0_3rdparty_8xb32_in1k', 'repvgg-A0_8xb32_in1k', 'wkd'),
    ('mobilevit-small_3rdparty_in1k', 'resnetv1d50_8xb32_in1k', 'hard'),
    (
        'regnetx-400mf_8xb128_in1k',
        'res2net50-w14-s8_3rdparty_8xb32_in1k',
        'kd',
    ),
    ('poolformer-s12_3rdparty_32xb128_in1k', 'vgg11bn_8xb32_in1k', 'nkd'),
    ('edgenext-xxsmall_3rdparty_in1k', 'hrnet-w18_3rdparty_8xb32_in1k', 'nkd'),
    ('resnet18_8xb16_cifar10', 'resnet34_8xb16_cifar10', 'nkd'),
    ('mobileone-s0_8xb32_in1k', 'van-tiny_3rdparty_in1k', 'ea_kd'),
    (R34, 'resnet50_8xb32_in1k', 'mgd'),
    ('convnext-v2-atto_3rdparty-fcmae_in1k', None, 'tf_nkd'),
    (R34, None, 'uskd'),
]


@pytest.fixture
def folder(tmp_path):
    """Return what makes a folder of images, so many of each class."""

    def make(classes, *parts):
        root = tmp_path / 'images'
        for part in parts or ('',):
            for name, count in classes.items():
                for number in range(count):
                    path = root / part / name / f'{number}.JPEG'
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.new('RGB', (8, 8), (40 * number, 0, 0)).save(path)
        return str(root)

    return make


@pytest.fixture
def written(tmp_path):
    """Return what writes a config, and returns it as text and as read."""

    def write(*names, **options):
        out = tmp_path / 'made' / 'my.py'
        distill(*names, out=str(out), **options)
        return out.read_text(), Config.fromfile(out)

    return write


@pytest.fixture
def small(tmp_path):
    """Write configs that train tiny networks on digits; return the files."""
    files = {}
    networks = {'student': tiny.resnet(), 'teacher': tiny.resnet(width=8)}
    loader = {'batch_size': 4, 'num_workers': 0}
    steps = [{'type': 'RandomCrop', 'crop_size': 8}, {'type': 'PackInputs'}]
    digits = {'type': 'Digits', 'pipeline': steps}
    for name, model in networks.items():
        config = {
            'model': model,
            'data_preprocessor': dict(tiny.PREPROCESSOR),
            'train_dataloader': {**loader, 'dataset': digits},
            'val_dataloader': {**loader, 'dataset': digits},
            'val_evaluator': {'type': 'Accuracy', 'topk': (1, 5)},
            'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.1}},
            'train_cfg': {'max_epochs': 3},
        }
        files[name] = str(tmp_path / f'{name}.py')
        Config(config).dump(files[name])
    return files


@pytest.mark.parametrize('told', [{'num_classes': 10}, {}])
def test_a_data_preprocessor_inside_the_model_is_kept_there(
    told, small, written, folder
):
    for name in ('student', 'teacher'):
        config = Config.fromfile(small[name])
        inner = {**config.pop('data_preprocessor'), **told}
        if not told:
            inner.pop('num_classes')
        config.model.data_preprocessor = inner
        config.dump(small[name])
    options = {'teacher_checkpoint': 'none'}
    data = folder({'cat': 4, 'dog': 4, 'emu': 4})
    _, config = written(*small.values(), **options, data=data)
    assert 'data_preprocessor' not in config
    made = config.model.data_preprocessor
    assert (made.num_classes, made.std) == (3, tiny.PREPROCESSOR['std'])


# Pairs.


def test_a_pair_of_the_zoo_gets_the_published_values(written):
    text, config = written(R18, R34)
    assert len(text.splitlines()) <= 25
    assert "Top-1, the paper's: 71.96" in text
    assert config.model.type == 'DistilledClassifier'
    assert config.model.teacher.model == 'mmpretrain::resnet/' + R34 + '.py'
    assert config.model.teacher.checkpoint.endswith('-f257d4e6.pth')
    nkd = {'type': 'NKDLoss', 'temperature': 1.0, 'gamma': 1.5}
    assert config.model.distill_losses == {'nkd': nkd}
    assert config.model.backbone.depth == 18
    assert config.custom_imports.imports == ['mmnkd']


@pytest.mark.slow
@pytest.mark.parametrize(('student', 'teacher', 'loss'), PAIRS)
def test_any_pair_of_the_zoo_builds(student, teacher, loss, written):
    text, config = written(student, teacher, loss=loss)
    assert len(text.splitlines()) <= 25
    assert max(map(len, _without_urls(text))) < 90
    assert config.model.type == 'DistilledClassifier'
    assert (teacher is None) == ('teacher' not in config.model)


def _without_urls(text):
    return [
        x for x in text.splitlines() if '://' not in x and 'Written' not in x
    ]


@pytest.mark.parametrize(
    ('student', 'loss', 'expected'),
    [
        ('deit-tiny_4xb256_in1k', 'nkd', {'temperature': 1.0, 'gamma': 1.0}),
        ('resnet18_8xb16_cifar10', 'nkd', {'temperature': 3.0, 'gamma': 3.5}),
    ],
)
def test_values_are_of_the_most_similar_pair(student, loss, expected, written):
    is_small = 'cifar' in student
    teacher = student if is_small else 'resnet50_8xb32_in1k'
    options = {'teacher_checkpoint': 'none', 'loss': loss}
    text, config = written(student, teacher, **options)
    assert 'A start for yours.' in text
    assert dict(config.model.distill_losses.nkd) == {
        'type': 'NKDLoss',
        **expected,
    }


def test_a_loss_on_features_measures_the_channels_of_another_pair(
    written, small
):
    loss = {'loss': 'mgd', 'teacher_checkpoint': 'none'}
    layers = ['mgd.student_taps=backbone.layer2']
    layers += ['mgd.teacher_taps=backbone.layer2']
    names = small['student'], small['teacher']
    text, config = written(*names, **loss, settings=layers)
    assert 'channels' not in text
    assert config.model.distill_losses.mgd.teacher_taps == 'backbone.layer2'


def test_values_of_ones_own_are_set_and_named(written):
    settings = ['nkd.gamma=2.5', 'randomness.seed=1']
    text, config = written(R18, R34, settings=settings)
    assert config.model.distill_losses.nkd.gamma == 2.5
    assert config.randomness.seed == 1
    assert 'Set by hand: nkd.gamma.' in text


# Files, timm, transformers.


def test_files_are_found_from_the_config(written, small, tmp_path):
    names = small['student'], small['teacher']
    text, config = written(*names, teacher_checkpoint='none')
    assert "_base_ = '../student.py'" in text
    assert "'{{ fileDirname }}/../teacher.py'" in text
    assert 'Random weights' in text
    model = tiny.build(config.model)
    images, samples = tiny.batch()
    assert 'loss_nkd_target' in model.loss(images, samples)


def test_imports_of_a_config_stay(written, small):
    with open(small['student'], 'a') as file:
        file.write("custom_imports = dict(imports=['json'])\n")
    _, config = written(small['student'])
    assert config.custom_imports.imports == ['json', 'mmnkd']


def test_timm_teaches_timm(written):
    pytest.importorskip('timm')
    text, config = written('timm:resnet10t', 'timm:tf_efficientnet_lite0')
    assert len(text.splitlines()) <= 25
    assert config.model.type == 'DistilledTimmClassifier'
    assert config.model.teacher.model.pretrained is True
    assert config.model.teacher.checkpoint is None
    assert config.optim_wrapper.optimizer.type == 'SGD'


def test_a_folder_of_transformers_is_a_student(written, hugging_face, small):
    names = f'hf:{hugging_face["model_name"]}', small['teacher']
    _, config = written(*names, teacher_checkpoint='none')
    assert config.model.type == 'DistilledHuggingFaceClassifier'
    assert config.model.num_labels == 10
    assert config.optim_wrapper.optimizer.type == 'AdamW'


# A folder of images.


def test_a_split_folder_is_loaded(written, small, folder):
    data = folder({'a': 2, 'b': 1, 'c': 1}, 'train', 'val')
    text, config = written(small['student'], data=data)
    assert len(text.splitlines()) <= 35
    assert config.model.head.num_classes == 3
    assert config.data_preprocessor.num_classes == 3
    assert config.val_evaluator == {'type': 'Accuracy', 'topk': (1,)}
    assert _loaded(config, 'train') == 4
    assert _loaded(config, 'val') == 4
    assert 'test_dataloader' not in config  # as in the student's config


def test_a_folder_without_a_split_gets_one(written, small, folder):
    data = folder({'a': 10, 'b': 2})
    names = small['student'], small['teacher']
    text, config = written(*names, data=data, teacher_checkpoint='none')
    assert len(text.splitlines()) <= 35
    assert _loaded(config, 'train') == 9
    assert _loaded(config, 'val') == 3
    teacher = Config.fromfile(config.model.teacher.model)
    assert teacher.model.head.num_classes == 2


def _loaded(config, part):
    """Build a data set, look at an image, return how many there are."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(config[f'{part}_dataloader'].dataset)
    assert dataset[0]['inputs'].shape == (3, 8, 8)
    assert {x['data_samples'].gt_label.item() for x in dataset} >= {0, 1}
    return len(dataset)


def test_classes_of_imagenet_are_found_in_its_teacher(written, small, folder):
    data = folder(
        {'crane bird': 1, 'Tench': 1, 'golf_ball': 1}, 'train', 'val'
    )
    text, config = written(small['student'], R34, data=data)
    assert 'class_indices' not in text  # of no crane bird
    assert config.model.teacher.checkpoint.endswith('my_teacher/epoch_100.pth')
    shown = Config.fromfile(config.model.teacher.model)
    assert shown.load_from.endswith('-f257d4e6.pth')
    assert shown.model.head.num_classes == 3


def test_a_teacher_of_imagenet_needs_no_training(written, small, folder):
    data = folder({'Tench': 1, 'golf_ball': 1}, 'train', 'val')
    _, config = written(small['student'], R34, data=data)
    assert config.model.teacher.class_indices == [0, 574]


# What is refused; nothing is written then.


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


def test_nothing_is_overwritten(tmp_path, small):
    out = tmp_path / 'my_teacher.py'
    out.touch()
    with pytest.raises(FileExistsError, match='Name another --out'):
        distill(small['student'], out=str(tmp_path / 'my.py'))
    with pytest.raises(ValueError, match='that ends in .py'):
        distill(small['student'], out=str(tmp_path / 'my.json'))
