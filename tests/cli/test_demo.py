"""The demo, end to end with few epochs, and the checkpoint that it leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import torch
from command import ENVIRONMENT, MMNKD, ROOT, forked, listen_to_interrupts
from mmengine.config import Config

from mmnkd.cli import main


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """Run the demo; return its folder and what it printed."""
    work_dir = tmp_path_factory.mktemp('demo')
    options = ['--seeds', '2', '--epochs', '1', '--work-dir', work_dir]
    return work_dir, forked('demo', *options)


def test_demo_prints_the_numbers_of_its_runs(demo):
    work_dir, printed = demo
    results = json.loads((work_dir / 'results.json').read_text())
    assert len(results) == 1 + 4 * 2
    for result in results:
        assert (
            f'{result["method"]}, seed {result["seed"]}: top-1 '
            f'{result["top1"][-1]:.2f} %'
        ) in printed
    baseline = [r['top1'][-1] for r in results if r['method'] == 'baseline']
    mean, std = sum(baseline) / 2, torch.tensor(baseline).std().item()
    row = next(x for x in printed.splitlines() if '│ baseline' in x)
    assert f'{mean:.2f} ± {std:.2f}' in row
    assert 'takes the first test image, a 0, for a' in printed


def test_demo_leaves_a_plot_of_the_curves(demo):
    work_dir, _ = demo
    assert (work_dir / 'curves.png').read_bytes()[:4] == b'\x89PNG'


def test_demo_leaves_the_teacher_where_the_configs_look_for_it(demo):
    work_dir, _ = demo
    path = ROOT / 'configs/demo/nkd_wide_tiny_1xb64_digits.py'
    place = Path(Config.fromfile(path).model.teacher.checkpoint).parent
    assert place.parent == Path('work_dirs/demo')  # the default --work-dir
    assert (work_dir / place.name / 'epoch_1.pth').exists()


def test_demo_checkpoint_loads_into_plain_mmpretrain_without_mmnkd(demo):
    _, printed = demo
    (path,) = re.findall(r'Checkpoint: (\S+)', printed)
    assert Path(path).parents[1].name == 'nkd_wide_tiny_1xb64_digits'
    student = tiny.resnet(width=6)
    model = tiny.build(student)
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved['state_dict'], strict=True)
    code = (
        'import sys, torch; from mmpretrain import get_model\n'
        'from mmengine import Config\n'
        f'config = Config(dict(model={student!r}))\n'
        f'saved = torch.load({path!r}, weights_only=True)\n'
        'model = get_model(config)\n'
        "print(model.load_state_dict(saved['state_dict'], strict=True))\n"
        "assert 'mmnkd' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert '<All keys matched successfully>' in result.stdout, result.stderr


@pytest.mark.parametrize('option', [['--seeds', '1'], ['--epochs', '-1']])
def test_demo_refuses_numbers_that_make_no_sense(capsys, option):
    with pytest.raises(SystemExit) as stopped:
        main(['demo', *option])
    assert stopped.value.code == 2
    assert 'at least 2, and --epochs at least 0' in capsys.readouterr().err


def test_demo_says_which_package_is_missing(capsys, monkeypatch):
    monkeypatch.setattr('mmnkd.registry.find_spec', lambda name: None)
    assert main(['demo']) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'The demo needs matplotlib, rich, sklearn. Run: pip' in line


def test_demo_stops_when_it_is_interrupted(tmp_path):
    printed = tmp_path / 'printed.txt'
    with open(printed, 'w') as file:
        process = subprocess.Popen(
            [*MMNKD, 'demo', '--work-dir', tmp_path],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=listen_to_interrupts,
        )
        while not (tmp_path / 'baseline_wide_1xb64_digits').exists():
            assert process.poll() is None, printed.read_text()
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        assert process.wait() == 130
    assert printed.read_text().splitlines()[-1] == 'Interrupted.'
