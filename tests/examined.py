"""A tiny config on digits, to be examined, and a teacher trained for it."""

import copy
import functools
import tempfile

import tiny
import torch
from mmengine.config import Config

PIPELINE = [{'type': 'PackInputs'}]


def loader(split, batch_size):
    return {
        'batch_size': batch_size,
        'num_workers': 0,
        'dataset': {
            'type': 'Digits',
            'split': split,
            'pipeline': PIPELINE,
        },
        'sampler': {'type': 'DefaultSampler', 'shuffle': split == 'train'},
    }


TEACHER = {**tiny.resnet(width=8), 'data_preprocessor': tiny.PREPROCESSOR}
BASE = {
    'custom_imports': {'imports': ['mmnkd']},
    'default_scope': 'mmpretrain',
    'model': {
        **tiny.resnet(),
        'type': 'DistilledClassifier',
        'teacher': {'model': TEACHER, 'checkpoint': None},
        'distill_losses': tiny.nkd(),
    },
    'data_preprocessor': tiny.PREPROCESSOR,
    'train_dataloader': loader('train', 64),
    'val_dataloader': loader('test', 64),
    'val_evaluator': {'type': 'Accuracy'},
    'val_cfg': {},
    'train_cfg': {'by_epoch': True, 'max_epochs': 2},
    'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.1}},
    'auto_scale_lr': {'base_batch_size': 64},
}
MGD = {
    'type': 'MGDLoss',
    'student_taps': 'backbone.layer2',
    'teacher_taps': 'backbone.layer2',
}


@functools.cache
def trained_teacher():
    """Return weights alone, which torch before 2.6 reads too."""
    with tempfile.TemporaryDirectory() as folder:
        teacher = tiny.resnet(width=8)
        run = tiny.train(teacher, folder, images=1201, epochs=4)
    meta = {'dataset_meta': run.train_dataloader.dataset.metainfo}
    return {'state_dict': run.model.state_dict(), 'meta': meta}


def write_config(folder):
    """Write a trained teacher and the config of a student; return its path."""
    path = folder / 'teacher.pth'
    torch.save(trained_teacher(), path)
    config = Config(copy.deepcopy(BASE))
    config.model.teacher.checkpoint = str(path)
    config.dump(folder / 'student.py')
    return folder / 'student.py'
