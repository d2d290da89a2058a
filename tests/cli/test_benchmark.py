"""The benchmark: what it compares is equal, and its tables are complete.

No test looks at a time.
"""

import argparse
import itertools
import sys

import pytest
import tiny
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmnkd.cli import main
from mmnkd.cli.benchmark import released_nkd_loss
from mmnkd.cli.turns import alternate, table
from mmnkd.functional import nkd_loss

SHORT = ['--rounds', '2', '--warmup', '1']
IMAGES = ['--batch', '2', '--image-size', '8']


@pytest.fixture(autouse=True)
def logger_as_before():
    logger = MMLogger.get_current_instance()
    level, threads = logger.level, torch.get_num_threads()
    yield
    logger.setLevel(level)
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Write three configs; return their files by name."""
    folder = tmp_path_factory.mktemp('models')
    networks = {
        'student': tiny.resnet(),
        'teacher': tiny.resnet(width=8),
        'other': {'type': 'TimmClassifier', 'model_name': 'resnet10t'},
        'nine': tiny.resnet(classes=9),
    }
    files = {}
    for name, model in networks.items():
        files[name] = str(folder / f'{name}.py')
        preprocessor = dict(tiny.PREPROCESSOR)
        config = {'model': model, 'data_preprocessor': preprocessor}
        Config(config).dump(files[name])
    return files


def measured(capsys, *arguments):
    """Run the benchmark; return the cells of its rows."""
    assert main(['benchmark', *arguments, *SHORT]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].startswith('Medians of 2 rounds')
    assert f'torch {torch.__version__}' in printed
    lines = [x for x in printed.splitlines() if x.startswith('|')]
    return [[cell.strip() for cell in x.split('|')[1:-1]] for x in lines]


def names(rows):
    return [row[0] for row in rows]


def test_the_released_formulation_is_nkd():
    torch.manual_seed(0)
    logits, teacher = 3 * torch.randn(2, 5, 7, dtype=torch.float64)
    target = torch.tensor([0, 6, 2, 3, 3])
    results = []
    for loss in (nkd_loss, released_nkd_loss):
        student = logits.clone().requires_grad_()
        value = loss(student, teacher, target)
        results.append((value, *torch.autograd.grad(value, student)))
    torch.testing.assert_close(results[0], results[1])


def test_functions_are_called_by_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in 'ABC'}
    ticks = itertools.count()
    args = argparse.Namespace(
        rounds=2, warmup=1, device='cpu', clock=lambda: next(ticks)
    )
    seconds = alternate(functions, args)
    rounds = [''.join(calls[i : i + 3]) for i in (0, 3, 6)]
    assert {''.join(sorted(each)) for each in rounds} == {'ABC'}
    assert list(seconds.values()) == [[1, 1], [1, 1], [1, 1]]


def test_a_table_has_medians_and_ratios_of_one_round():
    seconds = {'a': [0.001, 0.002, 0.004], 'b': [0.002, 0.002, 0.02]}
    assert table('title', seconds, ['a']).splitlines() == [
        '| title | ms | ÷ a |',
        '| --- | ---: | ---: |',
        '| a | 2.00 (1.00-4.00) | 1 |',
        '| b | 2.00 (2.00-20.00) | 2.00 (1.00-5.00) |',
    ]


def test_losses_are_compared(capsys):
    rows = measured(capsys, 'losses', '--shapes', '5x7', '3x11')
    assert [row[0] for row in rows if row[1] == 'ms'] == [
        '5 x 7 logits',
        '3 x 11 logits',
    ]
    wanted = {'cross-entropy', 'NKD', 'NKD, plain', 'NKD, as released'}
    assert wanted <= set(names(rows))
    assert rows[0][2:] == ['÷ cross-entropy', '÷ NKD']


def test_teachers_are_compared(capsys, models):
    wanted = ['--models', models['student'], models['teacher']]
    rows = measured(capsys, 'teacher', *wanted, *IMAGES)
    ways = ['plain', 'accelerated (default)', 'bfloat16']
    assert names(rows)[2:5] == names(rows)[7:] == ways
    assert rows[5][0] == f'{models["teacher"]}, 2 images of 8 px'


def test_training_steps_are_compared(capsys, models):
    pytest.importorskip('timm.task')
    wanted = ['--student', models['student'], '--teacher', models['teacher']]
    rows = measured(capsys, 'step', '--timm', *wanted, *IMAGES)
    assert names(rows)[2:] == [
        'student + teacher',
        'student',
        'teacher',
        'distilled, plain teacher',
        'distilled (default)',
        'distilled, bfloat16 teacher',
        "timm's task",
    ]
    assert rows[0][2:] == ['÷ student + teacher', '÷ student']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'are required: WHAT'),
        (['losses', '--shapes', '5'], "'' is no whole number > 0"),
        (['losses', '--shapes', '5x1'], "'5x1' has less than 2 classes"),
        (['losses', '--rounds', '0'], "'0' is no whole number > 0"),
        (['step', '--device', 'cuda'], 'but torch sees none here'),
    ],
)
def test_wrong_usage_exits_with_2(capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(SystemExit) as stopped:
        main(['benchmark', *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def refused(capsys, *arguments):
    """Return the one line that says what is wrong."""
    assert main(['benchmark', *arguments, *IMAGES, *SHORT]) == 1
    printed = capsys.readouterr().err
    assert 'Traceback' not in printed
    (line,) = [x for x in printed.splitlines() if x.startswith('mmnkd ')]
    return line


@pytest.mark.parametrize('name', ['a.py', 'resnet_99', 'mmpretrain::a/b.py'])
def test_models_that_are_not_there_are_refused(capsys, name):
    assert name.split('::')[-1] in refused(capsys, 'step', '--teacher', name)


def test_models_that_can_not_be_compared_are_refused(capsys, models):
    line = refused(capsys, 'step', '--student', models['other'])
    assert "type ImageClassifier, but '" in line
    networks = ['--student', models['student'], '--teacher', models['nine']]
    line = refused(capsys, 'step', *networks)
    assert 'the same classes' in line


def test_missing_timm_is_named(capsys, monkeypatch, models):
    monkeypatch.setitem(sys.modules, 'timm.task', None)
    networks = ['--student', models['student'], '--teacher', models['teacher']]
    assert 'timm.task' in refused(capsys, 'step', '--timm', *networks)
