"""A training that is killed again and again ends with the same bits."""

import random
import subprocess
import sys
import time

import pytest
import tiny
from bits import assert_same_training
from command import ENVIRONMENT, MMNKD, ROOT, run

KILLED = [sys.executable, str(ROOT / 'tests' / 'killed.py')]
CONFIG = """
_base_ = {base!r}
randomness = dict(seed=1)
teacher_taps = dict(
    student_taps='backbone.layer2', teacher_taps='backbone.layer2')
model = dict(
    teacher=dict(checkpoint=None),
    distill_losses=dict(
        uskd=dict(
            type='USKDLoss', student_taps=['logits', 'backbone.layer1']),
        mgd=dict(
            type='MGDLoss', mask_ratio=0.5, **teacher_taps,
            weight_schedule=dict(
                type='LinearLR', start_factor=0.1, by_epoch={by_epoch},
                end=50))))
train_dataloader = dict(
    batch_size=32, dataset=dict(indices=96{pipeline}),
    sampler=dict(type={sampler!r}))
val_dataloader = dict(dataset=dict(indices=32))
custom_hooks = [dict(type='EMAHook', momentum=0.01)]
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=50),
    dict(type='CosineAnnealingLR', by_epoch={by_epoch})]
train_cfg = dict(_delete_=True, by_epoch={by_epoch}, {length})
default_hooks = dict(checkpoint=dict(
    _delete_=True, type='CheckpointHook', by_epoch={by_epoch},
    interval={interval}, max_keep_ckpts=1, save_best='accuracy/top1'))
"""
EPOCHS = {
    'by_epoch': True,
    'length': 'max_epochs=120, val_interval=2',
    'interval': 1,
    'sampler': 'DefaultSampler',
    'pipeline': '',
}
ITERATIONS = {
    'by_epoch': False,
    'length': 'max_iters=600, val_interval=20',
    'interval': 5,
    'sampler': 'InfiniteSampler',
    # Its transforms draw before the generators are restored.
    'pipeline': ", pipeline=[dict(type='PackInputs')]",
}


class Training:
    """A training that is started, killed and resumed."""

    def __init__(self, folder, loop):
        self.folder = folder
        self.config = folder.with_suffix('.py')
        base = str(ROOT / 'configs/demo/nkd_wide_tiny_1xb64_digits.py')
        self.config.write_text(CONFIG.format(base=base, **loop))

    def command(self, *before):
        return [*before, 'train', self.config, '--work-dir', self.folder]

    def finish(self):
        run(*self.command(*MMNKD), '--resume')
        # A kill between a new name and the removal of the oldest leaves both.
        saved = {*self.folder.glob('*.pth')} - {*self.folder.glob('best_*')}
        return max(saved, key=lambda path: _number(path.name))

    def start(self, *before):
        command = [str(part) for part in self.command(*before)]
        return subprocess.Popen(
            [*command, '--resume'],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def newest(self):
        files = self.folder.glob('*.pth')
        return max((path.name for path in files), key=_number, default='')

    def kill_at_random(self, draw):
        """Kill after a while in which there was at least one save."""
        before, process = self.newest(), self.start(*MMNKD)
        while self.newest() == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 1))
        process.kill()
        return process.wait()

    def kill_inside_a_write(self, draw):
        calls, share = draw.randint(1, 8), draw.choice([0.0, 0.5, 0.99, 1.0])
        # An even call is one for the folder, which can't be cut.
        share = share if calls % 2 else 1.0
        return self.start(*KILLED, calls, share).wait()


def _number(name):
    return int(''.join(filter(str.isdigit, name.rpartition('_')[2])) or 0)


@tiny.needs_safe_globals
@pytest.mark.slow
@pytest.mark.parametrize('loop', [EPOCHS, ITERATIONS], ids=['epochs', 'iters'])
def test_a_killed_training_ends_with_the_same_bits(loop, tmp_path, capsys):
    seed = random.randrange(1000)
    draw = random.Random(seed)
    killed = Training(tmp_path / 'killed', loop)
    moments = []
    for kill in [killed.kill_at_random] * 10 + [
        killed.kill_inside_a_write
    ] * 5:
        assert kill(draw) == -9, 'it ended by itself'
        moments.append(killed.newest())
    last = killed.finish()
    whole = Training(tmp_path / 'whole', loop).finish()
    with capsys.disabled():
        print(f'\nseed {seed}, killed after {moments}')
    assert last.name == whole.name
    assert_same_training(last, whole)
