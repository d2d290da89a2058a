"""An examination: all that it finds out of a config, good and broken ones."""

import examined
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import DATASETS
from mmpretrain.structures import DataSample
from torch.utils.data import IterableDataset

from mmnkd.diagnosis.examine import examine

pytestmark = pytest.mark.usefixtures('one_step')


def test_report_of_a_good_config_has_everything(config):
    stages = []
    report = examine(config, batches=2, device='cpu', say=stages.append)
    assert report.findings == []
    assert (report.exit_code, report.verdict) == (0, 'good')
    assert report.plan.epochs == 2
    assert (report.train.images, report.val.images) == (1201, 596)
    assert report.images.keys() == {'the student', 'the teacher'}
    student, teacher = report.networks
    assert student.parameters < teacher.parameters
    assert teacher.source.endswith('teacher.pth')
    assert report.signal_on == 'validation'
    assert report.signal.images == 2 * 64
    assert report.signal.top1 > 20
    names = ['loss_cls', 'loss_nkd_target', 'loss_nkd_nontarget']
    assert [term.name for term in report.terms] == names
    assert report.steps == 2 * 19
    assert report.is_data_real
    assert report.is_teacher_real
    assert 0 < report.cost.teacher < report.cost.step
    assert report.seconds > report.steps * report.cost.total
    assert report.cost.memory > 2**20
    assert 'timing training steps' in stages
    content = report.as_dict()
    assert content['cost']['teacher_share'] == report.cost.teacher_share
    assert content['findings'] == []


@DATASETS.register_module()
class Stream(IterableDataset):
    """Images without a count, of classes without names."""

    def __iter__(self):
        sample = DataSample().set_gt_label(0)
        image = torch.zeros(3, 8, 8, dtype=torch.uint8)
        yield from [{'inputs': image, 'data_samples': sample}] * 64


def test_data_that_can_not_be_counted_are_a_finding(config, tmp_path):
    given = Config.fromfile(config)
    given.train_dataloader.dataset = {'type': 'Stream'}
    given.train_dataloader.sampler = None
    given.dump(tmp_path / 'stream.py')
    report = examine(tmp_path / 'stream.py', batches=1, device='cpu')
    assert 'train-data' in [finding.name for finding in report.errors]


def test_a_plain_config_is_examined_too(config, tmp_path):
    plain = Config.fromfile(config)
    for key in ('teacher', 'distill_losses'):
        plain.model.pop(key)
    plain.model.type = 'ImageClassifier'
    plain.dump(tmp_path / 'plain.py')
    report = examine(tmp_path / 'plain.py', batches=1, device='cpu')
    assert report.exit_code == 0
    assert report.signal is None
    assert [term.name for term in report.terms] == ['loss']
    assert report.cost.teacher == report.cost.losses == 0


def test_without_data_the_time_is_that_of_noise(config):
    options = {
        'train_dataloader.dataset': {
            'type': 'CustomDataset',
            '_delete_': True,
            'data_root': 'nowhere',
            'pipeline': [
                {'type': 'RandomResizedCrop', 'scale': 8},
                {'type': 'PackInputs'},
            ],
        }
    }
    report = examine(config, batches=1, device='cpu', options=options)
    assert report.exit_code == 2
    (error,) = report.errors
    assert error.name == 'train-data'
    assert '`train_dataloader.dataset`' in error.fix
    assert not report.is_data_real
    assert report.cost.step > 0
    assert report.terms == []


def test_without_the_teachers_file_its_time_is_known_and_its_answers_not(
    config, tmp_path
):
    teacher = tmp_path / 'teacher.py'
    Config({'model': examined.TEACHER}).dump(teacher)
    report = examine(
        config,
        batches=1,
        device='cpu',
        options={
            'model.teacher.checkpoint': 'none.pth',
            'model.teacher.model': str(teacher),
        },
    )
    (error,) = report.findings
    assert error.name == 'teacher-file'
    assert 'Train it first: mmnkd train' in error.fix
    assert not report.is_teacher_real
    assert report.signal is None
    assert report.cost.teacher > 0


MIXUP = {'augments': {'type': 'Mixup', 'alpha': 0.2}}
TEACHER = {'model': examined.TEACHER, 'checkpoint': None}
ITERATIONS = {'_delete_': True, 'by_epoch': False, 'max_iters': 9}
AMP = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bf16'}
KINDS = {
    'without a teacher': {
        'model.teacher': None,
        'model.distill_losses': {
            '_delete_': True,
            'tf_nkd': {'type': 'TFNKDLoss'},
        },
    },
    'two teachers': {'model.teacher': [TEACHER, TEACHER]},
    'features': {
        'model.distill_losses': {'_delete_': True, 'mgd': examined.MGD}
    },
    'mixed images': {'model.train_cfg': MIXUP},
    'iterations': {'train_cfg': ITERATIONS},
    'mixed precision': AMP,
    'no validation': {
        'val_dataloader': None,
        'val_cfg': None,
        'val_evaluator': None,
    },
}


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_all_kinds_of_trainings_are_timed(config, kind):
    report = examine(config, batches=1, device='cpu', options=KINDS[kind])
    told = {f.name: str(f) for f in report.findings}
    # Of teachers whose weights are random.
    known = {'teacher-flat', 'teacher-chance', 'term-small'}
    assert told.keys() <= known, told
    assert report.cost.step > 0
    assert report.steps == (9 if kind == 'iterations' else 2 * 19)
    assert report.terms
    assert (report.signal is None) == (
        kind in ('without a teacher', 'features')
    )


def test_findings_that_the_user_ignores_say_nothing(config):
    options = {'model.distill_losses.nkd.loss_weight': 50.0}
    report = examine(config, batches=1, device='cpu', options=options)
    assert [finding.name for finding in report.findings] == ['term-large']
    ignored = {'options': options, 'ignored': ['term-large']}
    report = examine(config, batches=1, device='cpu', **ignored)
    assert report.exit_code == 0
    options['model.ignore_findings'] = ['term-large']
    report = examine(config, batches=1, device='cpu', options=options)
    assert report.exit_code == 0


@pytest.mark.parametrize('text', ['model = dict(', None])
def test_a_file_that_is_no_config_is_a_finding(tmp_path, text):
    path = tmp_path / 'config.py'
    if text:
        path.write_text(text)
    report = examine(path)
    (finding,) = report.findings
    assert (finding.name, report.exit_code) == ('config', 2)
    assert report.plan is None
