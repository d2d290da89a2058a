"""An examination of broken configs: each mistake is a finding."""

import examined
import pytest

from mmnkd.diagnosis.examine import examine
from mmnkd.diagnosis.finding import NAMES

pytestmark = pytest.mark.usefixtures('one_step')

CUSTOM = {'type': 'CustomDataset', '_delete_': True, 'data_root': 'nowhere'}
# What is wrong: the options that make it so, the exit code, a finding and a
# part of its message.
BROKEN = {
    'a typo in a key': ({'train_cgf': {}}, 2, 'dead-key', 'train_cgf'),
    'no such backbone': (
        {'model.backbone.type': 'ResNet_CIFARR'},
        2,
        'model',
        'ResNet_CIFARR is not in the',
    ),
    'no such loss': (
        {'model.distill_losses.nkd.type': 'NKDLos'},
        2,
        'model',
        "got 'NKDLos'. Nearest: ['NKDLoss'",
    ),
    'a type that does not distill': (
        {'model.type': 'ImageClassifier'},
        2,
        'model-type',
        'Expected a `model.type` that distills',
    ),
    'no such tap': (
        {
            'model.distill_losses.mgd': {
                **examined.MGD,
                'student_taps': 'backbone.layer9',
            }
        },
        2,
        'model',
        "got 'backbone.layer9'. Nearest: ['backbone.layer",
    ),
    'a loss that drowns the rest': (
        {'model.distill_losses.nkd.gamma': 100.0},
        1,
        'term-large',
        '`loss_nkd_nontarget`',
    ),
    'a loss without effect': (
        {'model.distill_losses.nkd.loss_weight': 1e-3},
        1,
        'term-small',
        'teaches nearly nothing',
    ),
    'mean and std of 0 to 1': (
        {
            'data_preprocessor.mean': [0.3] * 3,
            'data_preprocessor.std': [0.37] * 3,
        },
        1,
        'image-scale',
        'but the student gets',
    ),
    'a std of 0': (
        {'data_preprocessor.std': [0.0] * 3},
        2,
        'std-0',
        'images come to infinity',
    ),
    'too few classes': (
        {'model.head.num_classes': 5},
        2,
        'class-count',
        'has 5',
    ),
    "the teacher's classes in another order": (
        {'model.teacher.class_indices': [*range(1, 10), 0]},
        2,
        'class-order',
        'in the order of the data set',
    ),
    'a class of the teacher twice': (
        {'model.teacher.class_indices': [*range(9), 8]},
        2,
        'class-indices',
        'name each class once',
    ),
    'an untrained teacher': (
        {'model.teacher.checkpoint': None},
        1,
        'teacher-flat',
        'nearly equal',
    ),
    "another network's weights": (
        {'model.teacher.model.head.in_channels': 32},
        2,
        'teacher-file',
        'Expected',
    ),
    'no such optimizer': (
        {'optim_wrapper.optimizer.type': 'SDG'},
        2,
        'step',
        'None is not a callable',
    ),
    'an argument that the optimizer has not': (
        {'optim_wrapper.optimizer.learning_rate': 0.1},
        2,
        'step',
        'learning_rate',
    ),
    'no such data set': (
        {'train_dataloader.dataset.type': 'Digit'},
        2,
        'train-data',
        'Digit is not in the',
    ),
    'validation data that is not there': (
        {'val_dataloader.dataset': CUSTOM},
        2,
        'val-data',
        'nowhere',
    ),
    'a pipeline that loads files': (
        {
            'train_dataloader.dataset.pipeline': [
                {'type': 'LoadImageFromFile'},
                *examined.PIPELINE,
            ]
        },
        2,
        'train-data',
        'img_path',
    ),
    'a learning rate for eight GPUs': (
        {'auto_scale_lr.base_batch_size': 512},
        1,
        'batch-size',
        'total batch of 512',
    ),
    'no training': ({'train_cfg': None}, 2, 'config', "no ['train_cfg']"),
}


@pytest.mark.parametrize('mistake', sorted(BROKEN))
def test_a_mistake_is_found_and_told(config, mistake):
    options, code, name, message = BROKEN[mistake]
    report = examine(config, batches=1, device='cpu', options=options)
    told = [f'{f.level} {f}' for f in report.findings]
    found = [f.message for f in report.findings if f.name == name]
    assert message in ' '.join(found), told
    assert report.exit_code == code, told
    assert all(f.name in NAMES for f in report.findings)
