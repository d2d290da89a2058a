"""The evidence: its tool, and the page that it writes."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from command import ENVIRONMENT, ROOT
from mmengine.config import Config
from scipy.stats import ttest_rel
from tiny import needs_safe_globals

sys.path.insert(0, str(ROOT / 'tools'))

import evidence_plan
import evidence_run
from evidence_figure import difference
from evidence_memory import RememberedDataset, remember
from evidence_report import read_results, write_report

RESULTS = sorted((ROOT / 'docs' / 'results').glob('*.jsonl'))
PLANS = sorted((ROOT / 'tools' / 'plans').glob('*.yml'))

pytestmark = needs_safe_globals

# The tool.

EPOCHS = 6
REPLAYED = {
    '_delete_': True,
    'type': 'ReplayedDataset',
    'dataset': {
        'type': 'Digits',
        'split': 'train',
        'indices': 256,
        'pipeline': [
            {'type': 'RandomCrop', 'crop_size': 8, 'padding': 1},
            {'type': 'PackInputs'},
        ],
    },
}
IN_TURN = {
    '_delete_': True,
    'type': 'ReplayedSampler',
    'sampler': {'type': 'DefaultSampler', 'shuffle': True},
}


def make_plan(path):
    """Write a plan for a few of the digits."""

    def run(name, **keys):
        options = {
            'train_cfg.max_epochs': EPOCHS,
            'param_scheduler.T_max': EPOCHS,
            'train_dataloader.dataset': copy.deepcopy(REPLAYED),
            'train_dataloader.sampler': copy.deepcopy(IN_TURN),
        }
        config = f'configs/demo/{name}_1xb64_digits.py'
        return {'config': config, 'options': options, **keys}

    plan = {
        'title': 'Digits',
        'about': 'A test.',
        'data': 'digits',
        'student': 'tiny',
        'seeds': 1,
        'teachers': {'tiny too': run('baseline_tiny')},
        'methods': {
            'baseline': run('baseline_tiny'),
            'NKD': run('nkd_wide_tiny', teacher='tiny too'),
        },
    }
    # The teacher of the config is wide; a tiny one saves time.
    student = plan['methods']['NKD']['options']
    teacher = str(ROOT / 'configs/demo/baseline_tiny_1xb64_digits.py')
    plan['methods']['NKD']['options'] = {
        **student,
        'model.teacher.model': teacher,
    }
    path.write_text(yaml.safe_dump(plan, sort_keys=False))


def start(folder, *options):
    """Start the plan in a folder, where its work and results go."""
    tool = [sys.executable, str(ROOT / 'tools' / 'evidence.py')]
    return subprocess.Popen(
        [*tool, 'plan.yml', '--results', 'results', *options],
        cwd=folder,
        env={**ENVIRONMENT, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed


def lines_of(folder):
    """Return the results by method."""
    lines = read_results(folder / 'results' / 'plan.jsonl')
    assert len({line['method'] for line in lines}) == len(lines)
    return {line['method']: line for line in lines}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Run a plan, undisturbed."""
    folder = tmp_path_factory.mktemp('whole')
    make_plan(folder / 'plan.yml')
    return folder, finish(start(folder))


def test_a_plan_leaves_a_line_for_each_run(whole):
    folder, printed = whole
    lines = lines_of(folder)
    assert list(lines) == ['teacher', 'baseline', 'NKD']
    for method, line in lines.items():
        assert len(line['top1']) == line['epochs'] == EPOCHS
        assert (ROOT / line['config']).exists()
        assert line['versions']['torch'] == torch.__version__
        assert f'{method}, seed 0: top-1 {line["top1"][-1]:.2f} %' in printed
    assert lines['NKD']['teacher'] == 'tiny too'
    assert str(ROOT) not in json.dumps(lines)
    assert str(folder) not in json.dumps(lines)


def test_views_that_are_drawn_anew_are_not_remembered():
    config = Config.fromfile(
        ROOT / 'configs/demo/baseline_tiny_1xb64_digits.py'
    )
    remember(config)
    assert config.train_dataloader.dataset.type == 'Digits'
    assert config.val_dataloader.dataset.type == 'RememberedDataset'


def test_a_view_is_made_once_and_other_data_are_forgotten():
    config = Config({'train_dataloader': {'dataset': REPLAYED['dataset']}})
    config.val_dataloader = {'dataset': {**REPLAYED['dataset'], 'indices': 8}}
    remember(config)
    dataset = config.val_dataloader.dataset
    first = RememberedDataset(dataset.dataset)
    again = RememberedDataset(dataset.dataset)
    assert first[3] is again[3]
    assert len(again) == 8
    dataset.dataset.indices = 9
    config.val_dataloader.dataset = dataset.dataset
    remember(config)
    assert RememberedDataset(dataset.dataset)[3] is not first[3]
    assert len(RememberedDataset.memory) == 1


def test_a_killed_plan_goes_on_and_ends_as_one_never_stopped(whole, tmp_path):
    # And one that remembers its views as one that draws them for each run.
    make_plan(tmp_path / 'plan.yml')
    process = start(tmp_path, '--remember')
    work = tmp_path / 'work_dirs' / 'evidence' / 'plan'
    while not list(work.glob('NKD*/last.pth')):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert 'NKD' not in lines_of(tmp_path)
    printed = finish(start(tmp_path, '--remember'))
    assert 'teacher, seed 0: top-1' not in printed  # it was done
    (log,) = work.glob('NKD*/console.log')
    assert 'resumed epoch' in log.read_text()
    for method, line in lines_of(whole[0]).items():
        again = lines_of(tmp_path)[method]
        for key in ('top1', 'others', 'hash', 'config', 'teacher'):
            assert again[key] == line[key]


def test_the_hash_of_a_config_does_not_depend_on_its_place(
    tmp_path, monkeypatch
):
    (run,) = evidence_plan.chosen(
        evidence_plan.read_plan(ROOT / 'tools/plans/fashion_mnist.yml'),
        ['method=NKD,seed=0'],
    )[1:]
    here = evidence_plan.digest(run.resolve())
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.setattr(evidence_plan, 'ROOT', tmp_path)
    assert evidence_plan.digest(run.resolve()) == here
    other = copy.copy(run)
    object.__setattr__(other, 'seed', 1)
    assert evidence_plan.digest(other.resolve()) != here


def test_only_picks_runs_and_the_teachers_they_need():
    runs = evidence_plan.read_plan(ROOT / 'tools/plans/fashion_mnist.yml')
    only = ['method=NKD,seed=3', 'method=baseline,seed=0']
    picked = [(r.method, r.seed) for r in evidence_plan.chosen(runs, only)]
    assert picked == [('teacher', 0), ('baseline', 0), ('NKD', 3)]


def test_seeds_come_complete_one_after_the_other():
    for plan in PLANS:
        seeds = [run.seed for run in evidence_plan.read_plan(plan)]
        assert seeds == sorted(seeds)


def test_weights_of_the_package_fit_the_network_of_timm(tmp_path, monkeypatch):
    pytest.importorskip(evidence_run.LITE0)
    timm = pytest.importorskip('timm')
    monkeypatch.setattr(evidence_run, 'WORK', tmp_path)
    weights = torch.load(evidence_run.lite0_weights(), weights_only=True)
    network = timm.create_model('tf_efficientnet_lite0')
    loaded = network.load_state_dict(weights, strict=True)
    assert not loaded.missing_keys
    assert not loaded.unexpected_keys


# The page.


def test_page_is_what_the_committed_results_say(tmp_path):
    folder = tmp_path / 'docs' / 'results'
    folder.mkdir(parents=True)
    shutil.copy(ROOT / 'README.md', tmp_path)
    for path in RESULTS:
        (folder / path.name).write_bytes(path.read_bytes())
    write_report(ROOT, folder)
    docs = ROOT / 'docs'
    for name in ('README.md', 'docs/results.md'):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()
    figures = sorted(path.name for path in folder.glob('*.svg'))
    assert figures == sorted(p.name for p in docs.glob('results/*.svg'))
    for name in figures:
        drawn = (folder / name).read_text()
        assert drawn == (docs / 'results' / name).read_text(), name


def test_files_of_results_are_small_and_of_a_plan():
    for path in ROOT.glob('docs/results/*.jsonl'):
        assert path.stat().st_size < 100_000
        assert path.stem in {plan.stem for plan in PLANS}
    for path in ROOT.glob('docs/results/*.svg'):
        assert path.stat().st_size < 100_000


def test_every_result_can_be_run_again_from_its_config():
    for path in RESULTS:
        plan = ROOT / 'tools' / 'plans' / f'{path.stem}.yml'
        runs = {
            (run.method, run.student, run.seed): run
            for run in evidence_plan.read_plan(plan)
        }
        for line in read_results(path):
            run = runs[line['method'], line['student'], line['seed']]
            assert line['config'] == run.config
            assert line['teacher'] == run.teacher


def test_differences_are_paired_by_seed():
    baseline, nkd = [70.1, 71.3, 69.8, 70.6], [71.0, 71.9, 71.2, 70.9]
    lines = [
        {'method': method, 'seed': seed, 'top1': [0.0, value]}
        for method, values in (('baseline', baseline), ('NKD', nkd))
        for seed, value in enumerate(values)
    ]
    middle, half, n, *_ = difference(lines[::-1], 'NKD')
    low, high = ttest_rel(nkd, baseline).confidence_interval(0.95)
    assert n == 4
    assert middle - half == pytest.approx(low)
    assert middle + half == pytest.approx(high)
