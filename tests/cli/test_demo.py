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

from mmnkd.datasets import Digits

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """Run the demo; return its folder and what it printed."""
    work_dir = tmp_path_factory.mktemp('demo')
    options = ['--seeds', '2', '--epochs', '1', '--work-dir', work_dir]
    result = subprocess.run(
        [sys.executable, 'tools/demo.py', *options],
        cwd=ROOT,
        env={**os.environ, 'PYTHONWARNINGS': 'ignore', 'COLUMNS': '200'},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return work_dir, result.stdout


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


def test_demo_checkpoint_loads_into_plain_mmpretrain_without_mmnkd(demo):
    _, printed = demo
    (path,) = re.findall(r'Checkpoint: (\S+)', printed)
    assert Path(path).parent.parent.name == 'nkd_wide_tiny_1xb64_digits'
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


def test_demo_needs_two_seeds_for_a_spread():
    result = subprocess.run(
        [sys.executable, ROOT / 'tools' / 'demo.py', '--seeds', '1'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert '--seeds needs at least 2, but got 1' in result.stderr


def test_demo_stops_when_it_is_interrupted(tmp_path):
    printed = tmp_path / 'printed.txt'
    with open(printed, 'w') as file:
        process = subprocess.Popen(
            [sys.executable, 'tools/demo.py', '--work-dir', tmp_path],
            cwd=ROOT,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        while not (tmp_path / 'baseline_wide_1xb64_digits').exists():
            assert process.poll() is None, printed.read_text()
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        assert process.wait(timeout=60) == 1
    assert 'Interrupted.' in printed.read_text().splitlines()[-1]


def test_digits_are_split_by_class_and_disjoint():
    splits = {name: Digits(split=name) for name in ('train', 'test')}
    data = {
        name: [split.get_data_info(i) for i in range(len(split))]
        for name, split in splits.items()
    }
    assert {name: len(rows) for name, rows in data.items()} == {
        'train': 1201,
        'test': 596,
    }
    for label in range(10):
        counts = {
            name: sum(row['gt_label'] == label for row in rows)
            for name, rows in data.items()
        }
        assert abs(counts['train'] - 2 * counts['test']) <= 2
    seen = {row['img'].tobytes() for row in data['train']}
    assert not seen & {row['img'].tobytes() for row in data['test']}
    image = data['train'][0]['img']
    assert (image.shape, image.dtype.name) == ((8, 8, 3), 'uint8')
    assert max(row['img'].max() for row in data['train']) == 255


def test_digits_refuse_another_split():
    with pytest.raises(ValueError, match="'train' or 'test', but got 'val'"):
        Digits(split='val')


def test_digits_say_how_to_get_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ImportError, match=r'pip install "mmnkd\[demo\]"'):
        Digits(split='train')
