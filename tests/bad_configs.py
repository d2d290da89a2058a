"""Mistakes in configs, each with what a user sees and what to do.

``python tests/bad_configs.py`` writes docs/faults.md from the tables below;
tests/test_bad_configs.py trains each of them.
"""

import logging
import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import mistakes_in_data
import mistakes_in_losses
import mistakes_in_models
import mistakes_in_runs
import mistakes_in_taps
import mistakes_in_teacher_files
import mistakes_in_teachers
import tiny
import torch
from mmengine.logging import MMLogger

from mmnkd.diagnosis.finding import NAMES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs/faults.md'
PARTS = {
    'Model and teacher': mistakes_in_models.MISTAKES
    + mistakes_in_teacher_files.MISTAKES
    + mistakes_in_teachers.MISTAKES,
    'Distillation losses': mistakes_in_losses.MISTAKES
    + mistakes_in_taps.MISTAKES,
    'Data': mistakes_in_data.MISTAKES,
    'Optimizer, schedule, hooks, keys': mistakes_in_runs.MISTAKES,
}
MISTAKES = [mistake for part in PARTS.values() for mistake in part]


class Outcome(NamedTuple):
    """Hold what a training ended with: an error, or warnings."""

    kind: str  # the error's type, or 'warning'
    text: str


def prepare(folder):
    """Write what the mistakes are made in: networks that were trained."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocessor = f'data_preprocessor = {tiny.PREPROCESSOR}\n'
    teacher = tiny.resnet(width=8)
    text = preprocessor + f'model = {teacher}\n'
    (folder / 'teacher.py').write_text(text)
    dataset = {'type': 'Digits', 'metainfo': {'classes': [*'9876543210']}}
    loader = {'dataset': dataset}
    text += f'train_dataloader = {loader}\n'
    (folder / 'reversed.py').write_text(text)
    four = {'mean': [77.8] * 4, 'std': [95.8] * 4}
    (folder / 'four.py').write_text(
        f'data_preprocessor = {four}\nmodel = {teacher}\n'
    )
    student = {
        **tiny.resnet(),
        'type': 'DistilledClassifier',
        'teacher': {'model': 'teacher.py', 'checkpoint': 'teacher.pth'},
        'distill_losses': tiny.nkd(),
    }
    run = tiny.runner(teacher, folder / 'teacher', epochs=2, images=640)
    run.train()
    state = run.model.state_dict()
    classes = [str(digit) for digit in range(10)]

    def save(name, state, classes=classes):
        meta = {'dataset_meta': {'classes': classes}}
        content = {'state_dict': state, 'meta': meta}
        torch.save(content, folder / f'{name}.pth')

    save('teacher', state)
    save('other_order', state, classes[::-1])
    save('other_names', state, [f'digit {name}' for name in classes])
    save('nan', {k: v * float('nan') for k, v in state.items()})
    zeros = {k: 0 * v for k, v in state.items()}
    save('constant', zeros)
    torch.manual_seed(0)
    random = tiny.build({**teacher, 'data_preprocessor': tiny.PREPROCESSOR})
    random.init_weights()
    save('random', random.state_dict())
    save('student', tiny.build(tiny.resnet()).state_dict())
    features = tiny.distilled(losses={'mine': {'type': 'FeatureProjected'}})
    tiny.train(features, folder / 'features')
    one = tiny.resnet(width=8)
    one['backbone'] = {**one['backbone'], 'in_channels': 1}
    grey = {'num_classes': 10, 'mean': [77.8], 'std': [95.8]}
    (folder / 'grey.py').write_text(
        f'data_preprocessor = {grey}\nmodel = {one}\n'
    )
    save('grey', tiny.build(one).state_dict())
    wide = tiny.resnet(width=8, classes=12)
    (folder / 'twelve.py').write_text(preprocessor + f'model = {wide}\n')
    save('twelve', tiny.build(wide).state_dict(), [*'abcdefghijkl'])
    (folder / 'page.pth').write_text('<html>404</html>')
    (folder / 'cut.pth').write_bytes(
        (folder / 'teacher.pth').read_bytes()[:5000]
    )

    def loader(split, shuffle):
        return {
            'batch_size': 16,
            'num_workers': 0,
            'persistent_workers': False,
            'dataset': {
                'type': 'Digits',
                'split': split,
                'indices': 64,
                'pipeline': [{'type': 'PackInputs'}],
                'serialize_data': False,
            },
            'sampler': {'type': 'DefaultSampler', 'shuffle': shuffle},
        }

    parts = {
        'custom_imports': {
            'imports': ['mmnkd'],
            'allow_failed_imports': False,
        },
        'default_scope': 'mmpretrain',
        'model': student,
        'data_preprocessor': tiny.PREPROCESSOR,
        'train_dataloader': loader('train', True),
        'val_dataloader': loader('test', False),
        'val_evaluator': {'type': 'Accuracy'},
        'train_cfg': {'by_epoch': True, 'max_epochs': 2},
        'val_cfg': {},
        'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.05}},
        'randomness': {'seed': 1},
    }
    text = ''.join(f'{key} = {value!r}\n' for key, value in parts.items())
    (folder / 'base.py').write_text(text)
    (folder / 'files').mkdir(exist_ok=True)


def train(folder, number, mistake):
    """Train a config in a process of its own, and tell how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            outcome = _train(folder, f'm{number}', mistake)
            os.write(writing, pickle.dumps(outcome))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, 'rb') as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(answer)


def _train(folder, name, mistake):
    from mmnkd.cli import train as command

    os.chdir(folder)
    log = os.open(f'{name}.out', os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = sys.stderr = os.fdopen(log, 'w')  # pytest has others
    for handler in MMLogger.get_current_instance().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(sys.stdout)
    config = Path(f'{name}.py')
    config.write_text(mistake.config)
    options = ['--work-dir', f'work/{name}', *mistake.options]
    try:
        command.main([str(config), *options])
    except BaseException as error:
        notes = getattr(error, '__notes__', ())
        if not hasattr(error, 'add_note'):  # before Python 3.11: printed
            sys.stdout.flush()
            notes = Path(f'{name}.out').read_text().splitlines()[-1:]
        traceback.print_exc()
        text = error.args[0] if isinstance(error, KeyError) else str(error)
        return Outcome(type(error).__name__, ' '.join([str(text), *notes]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    lines = Path(f'{name}.out').read_text().splitlines()
    warnings = [line for line in lines if 'WARNING' in line]
    return Outcome('warning' if warnings else 'nothing', '\n'.join(warnings))


_HEAD = """\
# Faults: what you see, what it means, what to do

`mmnkd train` stops at most mistakes before it trains, and the first training
step stops at others. A `[name]` in front is that of a finding. The option
`--ignore-finding name` of `mmnkd train` and `mmnkd doctor` silences it, and so
does the model's key `ignore_findings=['name']`. Each of these {count} mistakes
is made by a test; `python tests/bad_configs.py` writes this page.
"""
_FINDINGS = """
## All findings

| Name | What it means |
|---|---|
"""
_COLUMNS = """
## {name}

| What was written | What you see | What it means | What to do |
|---|---|---|---|
"""


def _cell(text):
    """Return a cell of the page in code, which ends with a line."""
    lines = text.replace('|', '\\|').splitlines()
    return '<br>'.join(f'`` {line} ``' for line in lines)


def page():
    """Return the tables as a page."""
    text = _HEAD.format(count=len(MISTAKES))
    for name, part in PARTS.items():
        text += _COLUMNS.format(name=name)
        for m in part:
            cells = (_cell(m.shown), f'{m.kind}: {_cell(m.message)}')
            text += f'| {" | ".join([*cells, m.means, m.fix])} |\n'
    text += _FINDINGS
    return text + ''.join(f'| `{n}` | {what} |\n' for n, what in NAMES.items())


if __name__ == '__main__':
    PAGE.write_text(page())
