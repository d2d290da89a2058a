"""A tiny config on digits, to be examined, and a teacher trained for it."""

import copy

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


def write_config(folder):
    """Train a teacher, and write the config of a student; return its path."""
    run = tiny.train(
        tiny.resnet(width=8), folder / 'teacher', images=1201, epochs=4
    )
    path = folder / 'teacher.pth'
    # Weights alone, which torch before 2.6 reads too.
    meta = {'dataset_meta': run.train_dataloader.dataset.metainfo}
    torch.save({'state_dict': run.model.state_dict(), 'meta': meta}, path)
    config = Config(copy.deepcopy(BASE))
    config.model.teacher.checkpoint = str(path)
    config.dump(folder / 'student.py')
    return folder / 'student.py'
