"""The networks of real runs, asked for the validation images."""

import shutil

import pytest
import tiny
import torch
from mmengine.config import Config

from mmnkd.compare.analysis import EXAMPLES, analyze
from mmnkd.compare.predict import (
    _loader,
    find_teacher,
    open_student,
    teach,
)
from mmnkd.compare.runs import find_runs

pytest.importorskip('torchmetrics')


def runs(folder, **named):
    return find_runs([f'{name}={folder}/{at}' for name, at in named.items()])


@pytest.fixture(scope='module')
def analysis(trained):
    return analyze(runs(trained, plain='plain_*', nkd='nkd_*'))


def test_a_student_is_as_good_as_its_runner_said(trained, analysis):
    for name, some in runs(trained, plain='plain_*', nkd='nkd_*').items():
        for run, judged in zip(some, analysis.students[name]):
            last = run.val['accuracy/top1'][2]
            assert 100 * judged.accuracy == pytest.approx(last)


def test_every_student_is_compared_with_the_teacher(analysis):
    assert analysis.images == 32
    assert analysis.classes == [str(digit) for digit in range(10)]
    assert analysis.teacher is not None
    agreements = {n: len(some) for n, some in analysis.agreements.items()}
    assert agreements == {'plain': 2, 'nkd': 2}
    assert analysis.notes == []


def test_examples_are_images_with_both_answers(trained, analysis):
    assert analysis.pair == ('nkd', 'the teacher')
    assert len(analysis.examples) == EXAMPLES
    data = tiny.runner(tiny.resnet(), trained / 'x', val_cfg={}).val_dataloader
    images = [sample['inputs'].permute(1, 2, 0) for sample in data.dataset]
    labels = data.dataset.get_gt_labels().tolist()
    for example in analysis.examples:
        assert example.pixels.dtype == torch.uint8
        assert [name for name, *_ in example.answers] == ['nkd', 'the teacher']
        assert any(
            torch.equal(example.pixels, image) and int(example.target) == label
            for image, label in zip(images, labels)
        )


def test_gains_are_sorted_and_confusions_are_between_classes(analysis):
    gains = [change.gain for change in analysis.class_gains('nkd')]
    assert gains == sorted(gains, reverse=True)
    for change in analysis.confusions('nkd'):
        before, after = change.label.split(' → ')
        assert before != after
        assert change.gain
    assert all(not c.gain for c in analysis.class_gains('plain'))
    assert analysis.confusions('plain') == []


def test_without_a_teacher_the_last_is_compared_with_the_first(trained):
    found = analyze(runs(trained, a='plain_1', b='plain_2'), images=10)
    assert found.images == 10
    assert found.teacher is None
    assert found.agreements == {}
    assert found.pair == ('b', 'a')
    assert len(found.examples) == 10


def test_a_run_may_be_named_teacher(trained):
    found = analyze(runs(trained, teacher='plain_1', nkd='nkd_1'), images=4)
    assert found.pair == ('nkd', 'the teacher')
    assert list(found.students) == ['teacher', 'nkd']
    assert found.teacher is not None
    alone = analyze(runs(trained, teacher='plain_1', b='plain_2'), images=4)
    assert alone.teacher is None


def test_a_teacher_that_is_gone_is_a_note(trained, tmp_path):
    shutil.copytree(trained / 'nkd_1', tmp_path / 'nkd_1')
    (config,) = (tmp_path / 'nkd_1').glob('*/vis_data/config.py')
    text = config.read_text().replace('teacher.pth', 'gone.pth')
    config.write_text(text)
    found = analyze(runs(tmp_path, nkd='nkd_1'), images=4)
    assert found.teacher is None
    assert 'the teacher of nkd: Expected a checkpoint' in found.notes[0]
    assert found.examples == []


@pytest.mark.parametrize('kind', ['Concat', 'Repeat', 'KFold'])
def test_a_part_of_wrapped_data_is_read_too(kind):
    pipeline = [{'type': 'PackInputs'}]
    digits = {'type': 'Digits', 'split': 'test', 'pipeline': pipeline}
    given = {
        'Concat': {'datasets': [digits, digits]},
        'Repeat': {'dataset': digits, 'times': 2},
        'KFold': {'dataset': digits, 'fold': 0, 'num_splits': 2},
    }[kind]
    dataset = {'type': f'{kind}Dataset', **given}
    keys = {'batch_size': 4, 'num_workers': 0, 'dataset': dataset}
    loader, classes = _loader(Config({'val_dataloader': keys}), 4)
    (batch,) = loader
    assert len(batch['inputs']) == 4
    assert len(classes) == 10


def test_only_live_teachers_of_several_are_asked(trained):
    (run,) = runs(trained, nkd='nkd_1')['nkd']
    student = open_student(run, 'cpu', 4)
    one = {**find_teacher(run), 'mode': 'train'}
    both = teach(student, [one, one])
    (expected,) = list(teach(student, one).predictions())
    (found,) = list(both.predictions())
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match='the config has a stored one'):
        teach(student, [one, {'cache': 'store'}])


# What can't be compared.


def test_a_missing_checkpoint_is_told(trained, tmp_path):
    shutil.copytree(trained / 'plain_1', tmp_path / 'plain_1')
    for path in (tmp_path / 'plain_1').glob('*.pth'):
        path.unlink()
    with pytest.raises(FileNotFoundError, match='Leave out --checkpoints'):
        analyze(runs(tmp_path, plain='plain_1'))


def test_a_missing_config_is_told(trained, tmp_path):
    shutil.copytree(trained / 'plain_1', tmp_path / 'plain_1')
    (config,) = (tmp_path / 'plain_1').glob('*/vis_data/config.py')
    config.unlink()
    with pytest.raises(FileNotFoundError, match=r'vis_data/config\.py in'):
        analyze(runs(tmp_path, plain='plain_1'))


@tiny.needs_safe_globals
def test_other_classes_are_refused(trained, tmp_path):
    (tmp_path / 'ten').symlink_to(trained / 'plain_1')
    tiny.train(tiny.resnet(classes=12), tmp_path / 'twelve', val_cfg={})
    with pytest.raises(ValueError, match=r"10 classes, but '.*twelve' has 12"):
        analyze(runs(tmp_path, a='ten', b='twelve'))


def test_other_images_are_refused(trained, tmp_path):
    shutil.copytree(trained / 'plain_1', tmp_path / 'other')
    (config,) = (tmp_path / 'other').glob('*/vis_data/config.py')
    config.write_text(config.read_text().replace('indices=32', 'indices=30'))
    (tmp_path / 'plain').symlink_to(trained / 'plain_1')
    with pytest.raises(ValueError, match='30 labels, not the 32'):
        analyze(runs(tmp_path, a='plain', b='other'))
