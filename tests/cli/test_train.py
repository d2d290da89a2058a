"""Train, test and export, run as a user runs them, on the demo's configs."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tiny
import torch
from command import (
    ENVIRONMENT,
    MMNKD,
    ROOT,
    fork,
    forked,
    listen_to_interrupts,
    run,
    train,
)
from mmengine.config import Config

from mmnkd.cli import main

TEACHER = 'configs/demo/baseline_wide_1xb64_digits.py'
BASELINE = 'configs/demo/baseline_tiny_1xb64_digits.py'
NKD = 'configs/demo/nkd_wide_tiny_1xb64_digits.py'
SHORT = ['train_dataloader.dataset.indices=192', 'train_cfg.max_epochs=3']
RANDOM_TEACHER = 'model.teacher.checkpoint=None'


def stop_after_first_epoch(start, folder, number):
    """Start a training, and send it a signal once an epoch is saved."""
    with open(folder / 'printed.txt', 'w+') as file:
        options = ['--cfg-options', 'train_cfg.max_epochs=1000']
        command = ['train', NKD, '--work-dir', folder, *options]
        process = start(file, *command, RANDOM_TEACHER)
        while not (folder / 'last_checkpoint').exists():
            is_running = os.waitpid(process.pid, os.WNOHANG) == (0, 0)
            assert is_running, (folder / 'printed.txt').read_text()
            time.sleep(0.05)
        os.kill(process.pid, number)
    return os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])


def start(output, *arguments):
    return subprocess.Popen(
        [*MMNKD, *map(str, arguments)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=output,
        stderr=output,
        preexec_fn=listen_to_interrupts,
    )


@pytest.fixture(scope='module')
def interrupted(tmp_path_factory):
    """Interrupt a training; return its folder and what it printed."""
    folder = tmp_path_factory.mktemp('interrupted')
    code = stop_after_first_epoch(start, folder, signal.SIGINT)
    output = (folder / 'printed.txt').read_text()
    assert code == 130, output
    return folder, output


def check_that_it_goes_on(folder):
    saved = Path((folder / 'last_checkpoint').read_text())
    done = int(saved.stem.split('_')[1])
    more = [f'train_cfg.max_epochs={done + 1}', RANDOM_TEACHER]
    where = ['--work-dir', folder, '--resume']
    output = train(NKD, *where, '--cfg-options', *more)
    assert f'resumed epoch: {done}' in output
    assert f'Epoch(train) [{done + 1}]' in output
    assert f'Epoch(train) [{done}]' not in output
    assert 'loss_nkd_nontarget' in output


@tiny.needs_safe_globals
def test_a_training_that_is_interrupted_goes_on_with_resume(interrupted):
    folder, output = interrupted
    assert 'run the same command with --resume' in output
    assert 'Traceback' not in output
    check_that_it_goes_on(folder)


@tiny.needs_safe_globals
def test_a_training_that_is_killed_goes_on_with_resume(tmp_path):
    begin = start if torch.cuda.is_available() else fork  # without a GPU
    stop_after_first_epoch(begin, tmp_path, signal.SIGKILL)
    check_that_it_goes_on(tmp_path)


def test_train_has_the_options_of_mmpretrain(tmp_path):
    options = ['--no-validate', '--auto-scale-lr', '--cfg-options', *SHORT]
    options += ['train_dataloader.batch_size=32', '--work-dir', tmp_path]
    output = train(BASELINE, *options)
    assert 'LR is set based on batch size of 64 and the current' in output
    assert 'accuracy/top1' not in output
    (dumped,) = tmp_path.glob('*.py')
    config = Config.fromfile(dumped)
    assert config.val_dataloader is None
    assert config.train_dataloader.batch_size == 32


def test_the_start_fits_a_screen_and_the_log_file_has_it_all(interrupted):
    folder, output = interrupted
    start, _, _ = output.partition('Epoch(train)')
    assert len(start.splitlines()) <= 20
    assert 'Teacher: channels_last is on' in start
    log = min(folder.glob('*/*.log'))  # the resumed training has another
    assert f'Config, hooks and environment are in {log}' in start
    logged = log.read_text()
    for text in ('System environment:', 'Config:', 'Hooks will be executed'):
        assert text in logged
        assert text not in output
    assert re.search(r'Epoch\(train\) +\[1\]', logged)


def refused(capsys, monkeypatch, *arguments):
    """Run a command that fails; return the last line that it prints."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv('LOCAL_RANK', '0')  # mmpretrain's tools would set it
    assert main([str(argument) for argument in arguments]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f'mmnkd {arguments[0]}: ')
    return line


def test_a_finding_is_ignored_by_its_name(capsys, monkeypatch, tmp_path):
    given = 'train', BASELINE, '--work-dir', tmp_path
    few = '--cfg-options', 'model.head.num_classes=9'
    line = refused(capsys, monkeypatch, *given, *few)
    assert '[class-count]' in line
    assert '[label-range]' in line
    count, labels = ('--ignore-finding', 'class-count'), 'label-range'
    line = refused(capsys, monkeypatch, *given, *count, *few)
    assert '[class-count]' not in line
    ignored = *count, f'--ignore-finding={labels}'
    with pytest.raises(IndexError, match='Target 9 is out of bounds'):
        refused(capsys, monkeypatch, *given, *ignored, *few)
    wrong = '--ignore-finding', 'class-cuont'
    line = refused(capsys, monkeypatch, *given, *wrong)
    assert "'class-cuont'. Nearest: ['class-count']" in line


def test_a_config_without_a_training_gets_mmengines_error(
    capsys, monkeypatch, tmp_path
):
    config = Config({'model': tiny.resnet(), 'default_scope': 'mmpretrain'})
    config.dump(tmp_path / 'config.py')
    given = 'train', tmp_path / 'config.py', '--work-dir', tmp_path
    with pytest.raises(RuntimeError, match='provide `train_dataloader`'):
        refused(capsys, monkeypatch, *given)


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs no GPU to fail')
def test_amp_and_slurm_say_that_they_need_a_gpu(capsys, monkeypatch, tmp_path):
    command = ['train', BASELINE, '--work-dir', tmp_path]
    line = refused(capsys, monkeypatch, *command, '--amp')
    assert 'Mixed precision (--amp, AmpOptimWrapper) needs a GPU' in line
    line = refused(capsys, monkeypatch, *command, '--launcher', 'slurm')
    assert '--launcher slurm needs GPUs' in line


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['model.type=NoSuchClassifier'], 'NoSuchClassifier is not in the'),
        (['model.distill_losses.nkd.gama=1'], "'gama'"),
        (['model.distill_losses.nkd.gamma=-1'], 'Expected `gamma` to be'),
        (['model.teacher.checkpoint=no/such.pth'], "none at 'no/such.pth'"),
    ],
)
def test_train_tells_an_error_of_the_config_in_one_line(
    options, message, capsys, monkeypatch, tmp_path
):
    name = f'experiment_name={tmp_path.name}'  # mmengine keeps them apart
    untrained = 'model.teacher.checkpoint=None'
    command = ['train', NKD, '--work-dir', tmp_path, '--cfg-options', name]
    command.append(untrained)
    assert message in refused(capsys, monkeypatch, *command, *options)


@pytest.mark.parametrize('command', ['train', 'test'])
def test_a_config_that_can_not_be_read_is_told_in_one_line(
    command, capsys, monkeypatch, tmp_path
):
    config, more = tmp_path / 'c.py', ['a.pth'] * (command == 'test')
    line = refused(capsys, monkeypatch, command, config, *more)
    assert str(config) in line
    config.write_text('model = dict(\n')
    line = refused(capsys, monkeypatch, command, config, *more)
    assert str(config) in line


def test_test_tells_what_is_missing(capsys, monkeypatch, tmp_path):
    command = ['test', BASELINE, tmp_path / 'no.pth', '--work-dir', tmp_path]
    line = refused(capsys, monkeypatch, *command)
    assert f"there is none at '{tmp_path / 'no.pth'}'" in line
    line = refused(capsys, monkeypatch, *command, '--out-item', 'metrics')
    assert 'Expected --out FILE with --out-item' in line


def test_export_tells_what_is_wrong_with_a_file(capsys, monkeypatch, tmp_path):
    source, target = tmp_path / 'a.pth', tmp_path / 'b.pth'
    line = refused(capsys, monkeypatch, 'export', source, target)
    assert f"none at '{source}'" in line
    source.write_text('<html>')
    line = refused(capsys, monkeypatch, 'export', source, target)
    assert f"Expected '{source}' to be a checkpoint" in line
    target.touch()
    line = refused(capsys, monkeypatch, 'export', source, target)
    assert 'there is one. Name another' in line


def test_test_needs_no_teacher_file(tmp_path):
    student = tiny.build(Config.fromfile(ROOT / BASELINE).model)
    torch.save({'state_dict': student.state_dict()}, tmp_path / 'student.pth')
    results = {}
    for config, name in ((BASELINE, 'plain'), (NKD, 'distilled')):
        out = tmp_path / f'{name}.json'
        options = ['--work-dir', tmp_path / name, '--out-item', 'metrics']
        if config == NKD:
            teacher = 'model.teacher.checkpoint=no/such/file.pth'
            options += ['--cfg-options', teacher]
        command = ['test', config, tmp_path / 'student.pth']
        forked(*command, '--out', out, *options)
        results[name] = json.loads(out.read_text())
    assert results['plain'] == results['distilled']
    assert 0 < results['plain']['accuracy/top1'] < 100


def test_test_writes_predictions(tmp_path):
    student = tiny.build(Config.fromfile(ROOT / BASELINE).model)
    torch.save({'state_dict': student.state_dict()}, tmp_path / 'student.pth')
    command = ['test', BASELINE, tmp_path / 'student.pth']
    out = tmp_path / 'predictions.pkl'
    forked(*command, '--work-dir', tmp_path, '--out', out)
    assert out.stat().st_size > 1000


@tiny.needs_safe_globals
@pytest.mark.skipif(torch.cuda.is_available(), reason='for two CPU processes')
def test_two_processes_train_export_and_test_on_a_cpu(tmp_path):
    uskd, mgd = 'model.distill_losses.uskd', 'model.distill_losses.mgd'
    options = [
        'find_unused_parameters=False',
        f'{uskd}.type=USKDLoss',
        f'{uskd}.student_taps=[logits,backbone.layer1]',
        f'{mgd}.type=MGDLoss',
        f'{mgd}.student_taps=backbone.layer2',
        f'{mgd}.teacher_taps=backbone.layer2',
        f'{mgd}.weight_schedule.type=LinearLR',
    ]
    command = ['tools/dist_train.sh', NKD, 2, '--work-dir', tmp_path]
    options = ['--cfg-options', *SHORT, RANDOM_TEACHER, *options]
    output = run(*command, *options)
    assert 'Epoch(val) [3]' in output
    for logged in ('loss_uskd_weak', 'loss_mgd', 'weight_mgd: 1.0000'):
        assert logged in output
    student = tmp_path / 'student.pth'
    printed = forked('export', tmp_path / 'epoch_3.pth', student)
    assert f'The student is in {student}' in printed
    saved = torch.load(student, weights_only=True)
    plain = tiny.build(Config.fromfile(ROOT / BASELINE).model)
    plain.load_state_dict(saved['state_dict'], strict=True)
    output = run('tools/dist_test.sh', NKD, student, 2, '--work-dir', tmp_path)
    assert 'accuracy/top1' in output


def test_slurm_script_asks_for_the_gpus(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    environment = {'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'GPUS': '2'}
    lines = subprocess.check_output(
        ['tools/slurm_train.sh', 'part', 'job', NKD, 'out', '--resume'],
        cwd=ROOT,
        env=environment,
        text=True,
    ).splitlines()
    assert {'--ntasks=2', '--gres=gpu:2', '--job-name=job'} <= set(lines)
    last = [NKD, '--work-dir=out', '--launcher=slurm', '--resume']
    assert lines[-4:] == last


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh']
)
def test_scripts_say_how_to_use_them(script):
    result = subprocess.run(
        [ROOT / 'tools' / script], capture_output=True, text=True
    )
    assert result.returncode
    assert f'usage: {script}' in result.stderr
