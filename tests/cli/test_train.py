"""The command lines, run as a user runs them, on the demo's configs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import torch
from command import ENVIRONMENT, ROOT, run, train
from mmengine.config import Config

TEACHER = 'configs/demo/baseline_wide_1xb64_digits.py'
BASELINE = 'configs/demo/baseline_tiny_1xb64_digits.py'
NKD = 'configs/demo/nkd_wide_tiny_1xb64_digits.py'
SHORT = ['train_dataloader.dataset.indices=192', 'train_cfg.max_epochs=3']
RANDOM_TEACHER = 'model.teacher.checkpoint=None'


def stop_after_first_epoch(work_dir, number):
    """Start a training, and send it a signal once an epoch is saved."""
    command = [sys.executable, 'tools/train.py', NKD, '--work-dir', work_dir]
    command += ['--cfg-options', 'train_cfg.max_epochs=1000', RANDOM_TEACHER]
    printed = work_dir / 'printed.txt'
    with open(printed, 'w') as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=ENVIRONMENT, stdout=file, stderr=file
        )
        deadline = time.monotonic() + 200
        while not (work_dir / 'last_checkpoint').exists():
            assert process.poll() is None, printed.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        return process.wait(timeout=60), printed.read_text()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_training_that_is_stopped_goes_on_with_resume(number, tmp_path):
    code, output = stop_after_first_epoch(tmp_path, number)
    if number == signal.SIGINT:
        assert code == 130
        assert 'run the same command with --resume' in output
    saved = Path((tmp_path / 'last_checkpoint').read_text())
    done = int(saved.stem.split('_')[1])
    output = train(
        NKD,
        '--work-dir',
        tmp_path,
        '--resume',
        '--cfg-options',
        f'train_cfg.max_epochs={done + 1}',
        RANDOM_TEACHER,
    )
    assert f'resumed epoch: {done}' in output
    assert f'Epoch(train) [{done + 1}]' in output
    assert f'Epoch(train) [{done}]' not in output
    assert 'loss_nkd_nontarget' in output


def test_train_has_the_options_of_mmpretrain(tmp_path):
    output = train(
        BASELINE,
        '--work-dir',
        tmp_path,
        '--no-validate',
        '--auto-scale-lr',
        '--cfg-options',
        *SHORT,
        'train_dataloader.batch_size=32',
    )
    assert 'LR is set based on batch size of 64 and the current' in output
    assert 'accuracy/top1' not in output
    (dumped,) = tmp_path.glob('*.py')
    config = Config.fromfile(dumped)
    assert config.val_dataloader is None
    assert config.train_dataloader.batch_size == 32


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs no GPU to fail')
def test_amp_and_slurm_say_that_they_need_a_gpu(tmp_path):
    output = train(BASELINE, '--amp', '--work-dir', tmp_path, code=1)
    assert 'mixed precision (--amp, AmpOptimWrapper) needs a GPU' in output
    output = train(
        BASELINE, '--launcher', 'slurm', '--work-dir', tmp_path, code=1
    )
    assert '--launcher slurm needs GPUs' in output


def test_test_needs_no_teacher_file(tmp_path):
    student = tiny.build(Config.fromfile(ROOT / BASELINE).model)
    torch.save({'state_dict': student.state_dict()}, tmp_path / 'student.pth')
    results = {}
    for config, name in ((BASELINE, 'plain'), (NKD, 'distilled')):
        run(
            sys.executable,
            'tools/test.py',
            config,
            tmp_path / 'student.pth',
            '--work-dir',
            tmp_path / name,
            '--out',
            tmp_path / f'{name}.json',
            '--out-item',
            'metrics',
            '--cfg-options',
            'model.teacher.checkpoint=no/such/file.pth'
            if name == 'distilled'
            else 'log_level=INFO',
        )
        results[name] = json.loads((tmp_path / f'{name}.json').read_text())
    assert results['plain'] == results['distilled']
    assert 0 < results['plain']['accuracy/top1'] < 100


def test_test_writes_predictions(tmp_path):
    student = tiny.build(Config.fromfile(ROOT / BASELINE).model)
    torch.save({'state_dict': student.state_dict()}, tmp_path / 'student.pth')
    command = [sys.executable, 'tools/test.py', BASELINE]
    command += [tmp_path / 'student.pth', '--work-dir', tmp_path]
    run(*command, '--out', tmp_path / 'predictions.pkl')
    assert (tmp_path / 'predictions.pkl').stat().st_size > 1000
    output = run(*command, '--out-item', 'metrics', code=1)
    assert 'give --out as well' in output


@pytest.mark.skipif(torch.cuda.is_available(), reason='for two CPU processes')
def test_two_processes_train_export_and_test_on_a_cpu(tmp_path):
    uskd, mgd = 'model.distill_losses.uskd', 'model.distill_losses.mgd'
    output = run(
        'tools/dist_train.sh',
        NKD,
        2,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        *SHORT,
        RANDOM_TEACHER,
        'find_unused_parameters=False',
        f'{uskd}.type=USKDLoss',
        f'{uskd}.student_taps=[logits,backbone.layer1]',
        f'{mgd}.type=MGDLoss',
        f'{mgd}.student_taps=backbone.layer2',
        f'{mgd}.teacher_taps=backbone.layer2',
        f'{mgd}.weight_schedule.type=LinearLR',
    )
    assert 'Epoch(val) [3]' in output
    for logged in ('loss_uskd_weak', 'loss_mgd', 'weight_mgd: 1.0000'):
        assert logged in output
    student = tmp_path / 'student.pth'
    tool = [sys.executable, 'tools/export_student.py']
    printed = run(*tool, tmp_path / 'epoch_3.pth', student)
    assert f'The student is in {student}' in printed
    saved = torch.load(student, weights_only=True)
    plain = tiny.build(Config.fromfile(ROOT / BASELINE).model)
    plain.load_state_dict(saved['state_dict'], strict=True)
    again = run(*tool, tmp_path / 'epoch_3.pth', student, code=1)
    assert 'there is one. Name another' in again
    output = run('tools/dist_test.sh', NKD, student, 2, '--work-dir', tmp_path)
    assert 'accuracy/top1' in output


def test_slurm_script_asks_for_the_gpus(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    environment = {'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'GPUS': '2'}
    arguments = ['part', 'job', NKD, 'out', '--resume']
    result = subprocess.run(
        ['tools/slurm_train.sh', *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = result.stdout.splitlines()
    assert {'--ntasks=2', '--gres=gpu:2', '--job-name=job'} <= set(lines)
    assert lines[-4:] == [
        NKD,
        '--work-dir=out',
        '--launcher=slurm',
        '--resume',
    ]


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh']
)
def test_scripts_say_how_to_use_them(script):
    result = subprocess.run(
        [ROOT / 'tools' / script], capture_output=True, text=True
    )
    assert result.returncode
    assert f'usage: {script}' in result.stderr
