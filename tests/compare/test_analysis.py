"""The networks of real runs, asked for the validation images."""

import shutil

import pytest
import tiny
import torch
from mmengine.config import Config

from mmnkd.compare.analysis import EXAMPLES, analyze
from mmnkd.compare.predict import _loader
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


def test_a_part_of_the_images_is_read_however_many_data_sets_came_before():
    # mmengine's get_subset takes a new object for one that is gone, where
    # both had one address: 3 times in these 300.
    pipeline = [{'type': 'ResizeEdge', 'scale': 8}, {'type': 'PackInputs'}]
    dataset = {'type': 'Digits', 'split': 'test', 'pipeline': pipeline}
    keys = {'batch_size': 4, 'num_workers': 0, 'dataset': dataset}
    config = Config({'val_dataloader': keys})
    kept = []
    for number in range(300):
        loader = _loader(config, 4)
        assert len(loader.dataset) == 4
        assert loader.dataset[3]['inputs'].shape == (3, 8, 8)
        others = [Config() for _ in range(number % 6)]
        kept.append(loader if number % 3 else others)


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
