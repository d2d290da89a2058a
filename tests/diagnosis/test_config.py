"""What a config tells before anything is built."""

import pytest
import tiny
import torch
from command import ROOT
from mmengine.config import Config

from mmnkd.diagnosis import check_config

CONFIGS = sorted((ROOT / 'configs').glob('*/*.py'))
NKD = ROOT / 'configs/demo/nkd_wide_tiny_1xb64_digits.py'


def names(config):
    return [(f.name, f.level) for f in check_config(config)]


def made(**keys):
    """Return a config that was not read of a file."""
    model = tiny.distilled(**keys)
    return Config({'model': model, 'default_scope': 'mmpretrain'})


@pytest.mark.parametrize('path', CONFIGS[::7], ids=lambda path: path.stem)
def test_our_configs_lack_the_teachers_file_at_most(path):
    assert {name for name, _ in names(path)} <= {'teacher-file'}


def test_keys_of_the_file_and_of_options_are_looked_for(tmp_path):
    config = Config.fromfile(NKD)
    options = {
        'model.teacher.checkpoint': None,
        'gamma': 2,
        'max_epochs': 99,
        'work_dir': str(tmp_path),
        'model.train_cfg.augment': {},
    }
    config.merge_from_dict(options)
    (finding,) = check_config(config, options)
    assert (finding.name, finding.level) == ('dead-key', 'error')
    assert '`max_epochs` (nearest: train_cfg.max_epochs)' in finding.message
    assert '`gamma` (nearest: model.distill_losses.nkd.gamma)' in (
        finding.message
    )
    assert 'nearest: model.train_cfg.augments' in finding.message
    assert 'work_dir' not in finding.message


def test_keys_that_something_of_the_users_reads_are_not_dead(tmp_path):
    file = tmp_path / 'config.py'
    parts = {
        'model': "type='{}', train_cfg=dict(mask_ratio=0.5), stamp=stamp",
        'optim_wrapper': "constructor='{}', paramwise_cfg=dict(rate=0.7)",
    }
    text = 'import time\nstamp = time.time_ns()\n'
    text += ''.join(f'{key} = dict({part})\n' for key, part in parts.items())
    file.write_text(text.format('MyModel', 'MyLayerDecay'))
    assert check_config(file) == []
    kinds = 'ImageClassifier', 'DefaultOptimWrapperConstructor'
    file.write_text(text.format(*kinds))
    (finding,) = check_config(file)
    assert 'reads `model.train_cfg.mask_ratio`, `optim' in finding.message
    assert 'stamp' not in finding.message


def test_a_config_without_a_file_is_looked_at_too():
    assert names(made()) == []
    assert names(Config({'model': None})) == []


@pytest.mark.parametrize('several', [False, True])
def test_files_of_the_teacher_are_looked_for(several, tmp_path):
    there = tmp_path / 'there.pth'
    torch.save({}, there)
    for options, expected in (
        ({'checkpoint': str(there)}, []),
        ({'checkpoint': 'https://a.b/c.pth'}, []),
        ({'checkpoint': 'no.pth'}, [('teacher-file', 'error')]),
        ({'model': 'no.py'}, [('teacher-file', 'error')]),
        ({'cache': 'no'}, [('teacher-file', 'error')]),
    ):
        teacher = tiny.teacher(**{'model': tiny.resnet(8), **options})
        given = [teacher] if several else teacher
        assert names(made(teacher_options=given)) == expected


@pytest.mark.parametrize(
    ('kind', 'fix'),
    [
        ('ImageClassifier', "type='DistilledClassifier'"),
        ('TimmClassifier', "type='DistilledTimmClassifier'"),
        ('HuggingFaceClassifier', "type='DistilledHuggingFaceClassifier'"),
    ],
)
def test_a_type_that_takes_no_teacher_is_told(kind, fix):
    config = made()
    config.model.type = kind
    (finding,) = check_config(config)
    assert finding.name == 'model-type'
    assert fix in finding.fix


def test_counts_of_classes_are_compared():
    few = made(student=tiny.resnet(classes=5))
    assert names(few) == [('class-count', 'error')]
    indices = tiny.teacher(class_indices=[0, 1, 2, 3, 9])
    picked = made(student=tiny.resnet(classes=5), teacher_options=indices)
    assert names(picked) == []
    picked.model.head.num_classes = 6
    assert names(picked) == [('class-count', 'error')]
    indices['class_indices'] = [0, 1, 2, 3, 10]
    beyond = made(student=tiny.resnet(classes=5), teacher_options=indices)
    assert names(beyond) == [('class-indices', 'error')]


def test_classes_of_the_data_are_compared_before_it_is_read():
    config = made()
    config.train_dataloader = {
        'dataset': {'type': 'RepeatDataset', 'dataset': {'type': 'CIFAR100'}}
    }
    assert names(config) == [('class-count', 'error')]
    config.train_dataloader.dataset.dataset = {
        'type': 'CustomDataset',
        'metainfo': {'classes': list('abcde')},
    }
    assert names(config) == [('class-count', 'warning')]


def test_classes_of_the_teachers_config_are_compared_by_name(tmp_path):
    def data(classes):
        dataset = {'type': 'CustomDataset', 'metainfo': {'classes': classes}}
        return {'dataset': dataset}

    own, file = [*'abcdefghij'], tmp_path / 'teacher.py'

    def found(classes, **options):
        text = f'model = {tiny.resnet(8)}\ntrain_dataloader = {data(classes)}'
        file.write_text(text)
        teacher = tiny.teacher(str(file), **options)
        config = made(teacher_options=teacher)
        config.train_dataloader = data(own)
        return check_config(config)

    order = own[::-1]
    assert not found(own)
    (finding,) = found(order)
    assert (finding.name, finding.level) == ('class-order', 'error')
    assert '`teacher`' in finding.message
    assert '[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]' in finding.fix
    assert not found(order, class_indices=[*range(9, -1, -1)])
    (finding,) = found([*'ABCDEFGHIJ'])
    assert (finding.name, finding.level) == ('class-names', 'warning')
    assert not found(own[:7])  # it has a head of 10: other data, another time


def test_schedules_are_compared_with_the_length():
    schedule = {'type': 'LinearLR', 'end': 5}
    config = made(losses=tiny.nkd(weight_schedule=schedule))
    config.train_cfg = {'by_epoch': True, 'max_epochs': 4}
    assert names(config) == [('schedule-end', 'warning')]
    config.train_cfg = {'type': 'IterBasedTrainLoop', 'max_iters': 40}
    assert names(config) == [('schedule-epochs', 'error')]


def test_a_model_without_losses_is_a_warning():
    config = made()
    config.model.distill_losses = {}
    assert names(config) == [('no-losses', 'warning')]


def test_keys_of_other_frameworks_are_told():
    config = Config({'model': {'type': 'X', 'teacher_cfg': 1, 'is_vit': 1}})
    (finding,) = check_config(config)
    assert finding.name == 'foreign-key'
    assert "['is_vit', 'teacher_cfg']" in finding.message


def test_a_file_that_is_not_there_raises():
    with pytest.raises(FileNotFoundError):
        check_config('no/such.py')
