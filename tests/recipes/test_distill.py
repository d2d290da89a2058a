"""A config from two names: what is in it, and that it builds."""

import pytest
import tiny
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS

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


def test_pipelines_inside_other_data_sets_are_kept(written, small, folder):
    config = Config.fromfile(small['student'])
    steps = [{'type': 'LoadImageFromFile'}, {'type': 'Resize', 'scale': 8}]
    inner = {'type': 'Digits', 'pipeline': [*steps, {'type': 'PackInputs'}]}
    joined = {'type': 'ConcatDataset', 'datasets': [inner, inner]}
    config.train_dataloader.dataset = joined
    config.val_dataloader.dataset = {'type': 'KFoldDataset', 'dataset': inner}
    config.dump(small['student'])
    data = folder({'a': 2, 'b': 1}, 'train', 'val')
    text, config = written(small['student'], data=data)
    assert '_base_.train_dataloader.dataset.datasets[0].pipeline' in text
    for part in ('train', 'val'):
        made = config[f'{part}_dataloader'].dataset
        assert made.type == 'CustomDataset'
        assert made.pipeline == inner['pipeline']
        assert _loaded(config, part) == 3


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
