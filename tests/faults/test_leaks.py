"""Long trainings take no more of anything as they go on."""

import gc
import os
from pathlib import Path

import pytest
import tiny
import torch
from mmengine.hooks import Hook

STEPS, WARM = 5000, 500
TAPS = {'student_taps': 'backbone.layer2', 'teacher_taps': 'backbone.layer2'}
LOSSES = {
    'nkd': {'type': 'NKDLoss'},
    'kd': {'type': 'KDLoss', 'temperature': 4.0},
    'dkd': {'type': 'DKDLoss'},
    'wsld': {'type': 'WSLDLoss'},
    'dist': {'type': 'DISTLoss'},
    'tf_nkd': {'type': 'TFNKDLoss'},
    'uskd': {
        'type': 'USKDLoss',
        'student_taps': ['logits', 'backbone.layer1'],
    },
    'mgd': {'type': 'MGDLoss', **TAPS},
    'srrl': {'type': 'SRRLLoss', **TAPS},
    'cosine': {'type': 'FeatureCosineLoss', **TAPS},
    'ttm': {'type': 'TTMLoss', 'temperature': 4.0},
    'wttm': {'type': 'WTTMLoss', 'temperature': 1.25},
    'rld': {'type': 'RLDLoss', 'temperature': 4.0, 'alpha': 1.0, 'beta': 2.0},
    'wkd': {'type': 'WKDLoss', 'temperature': 2.0, 'gamma': 1.0, 'cost': 0.6},
    'hard': {
        'type': 'HardLabelLoss',
        'weight_schedule': {
            'type': 'LinearLR',
            'start_factor': 0.1,
            'by_epoch': False,
            'end': STEPS,
        },
    },
}


def held():
    """Return megabytes, open files, threads and live tensors."""
    gc.collect()
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return {
        'megabytes': pages * os.sysconf('SC_PAGE_SIZE') / 2**20,
        'files': len(os.listdir('/proc/self/fd')),
        'threads': len(os.listdir('/proc/self/task')),
        'tensors': sum(isinstance(o, torch.Tensor) for o in gc.get_objects()),
    }


class Watch(Hook):
    """Write down what is held, every 500 steps."""

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, **kwargs):
        if self.every_n_train_iters(runner, WARM):
            self.seen.append(held())


@pytest.mark.slow
def test_five_thousand_steps_hold_no_more_than_five_hundred(tmp_path, capsys):
    student = tiny.distilled(losses=LOSSES)
    loader = {
        'batch_size': 16,
        'num_workers': 0,
        'dataset': {
            'type': 'Digits',
            'split': 'train',
            'indices': 256,
            'pipeline': [{'type': 'PackInputs'}],
            'serialize_data': False,
        },
        'sampler': {'type': 'InfiniteSampler'},
    }
    run = tiny.runner(
        student,
        tmp_path,
        train_dataloader=loader,
        train_cfg={'by_epoch': False, 'max_iters': STEPS},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 1e-3}},
        custom_hooks=[{'type': 'EMAHook'}, {'type': 'GeneratorsHook'}],
    )
    watch = Watch()
    run.register_hook(watch)
    run.train()
    with capsys.disabled():
        print('', *watch.seen, sep='\n')
    first, last = watch.seen[0], watch.seen[-1]
    for name in ('files', 'threads', 'tensors'):
        assert last[name] <= first[name], name
    # mmengine's log keeps 16 bytes a step of each of some 40 numbers.
    assert last['megabytes'] - first['megabytes'] < 16
