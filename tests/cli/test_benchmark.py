"""The benchmark: what it compares is equal, and what it writes is complete.

No test looks at a time.
"""

import json
import math
import sys

import pytest
import tiny
import torch
from command import ROOT, run
from mmengine.config import Config

from mmnkd.cli._benchmark_old import Plan, alternate, peak_memory
from mmnkd.cli._benchmark_old.command import main
from mmnkd.cli._benchmark_old.networks import random_images, random_network, read
from mmnkd.cli._benchmark_old.released import released_nkd_loss
from mmnkd.cli._benchmark_old.report import insert
from mmnkd.cli._benchmark_old.results import Group, Row, Spread
from mmnkd.cli._benchmark_old.timm_task import timm_task
from mmnkd.functional import nkd_loss

SHORT = ['--device', 'cpu', '--rounds', '2', '--warmup', '1']
IMAGES = ['--batch', '2', '--image-size', '8']
CPU = torch.device('cpu')


def config_file(folder, name, **resnet):
    model = tiny.resnet(**resnet)
    config = {'model': model, 'data_preprocessor': dict(tiny.PREPROCESSOR)}
    path = folder / f'{name}.py'
    Config(config).dump(path)
    return str(path)


@pytest.fixture(scope='module')
def student(tmp_path_factory):
    return config_file(tmp_path_factory.mktemp('models'), 'student')


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    return config_file(tmp_path_factory.mktemp('models'), 'teacher', width=8)


def refused(capsys, *arguments):
    """Return the one line that refuses the arguments."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize('temperature', [1.0, 3.0])
def test_the_released_formulation_is_nkd(temperature):
    torch.manual_seed(0)
    logits, teacher = 3 * torch.randn(2, 5, 7, dtype=torch.float64)
    target = torch.tensor([0, 6, 2, 3, 3])
    results = []
    for loss in (nkd_loss, released_nkd_loss):
        student = logits.clone().requires_grad_()
        value = loss(
            student, teacher, target, temperature=temperature, gamma=0.7
        )
        (gradient,) = torch.autograd.grad(value, student)
        results.append((value, gradient))
    torch.testing.assert_close(results[0], results[1])


def test_functions_are_called_by_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in 'AB'}
    plan = Plan(CPU, 2, 1, after_round=lambda: calls.append('-'))
    seconds = alternate(functions, plan)
    rounds = ''.join(calls).split('-')
    assert rounds.pop() == ''
    assert len(rounds) == 3
    assert {''.join(sorted(each)) for each in rounds} == {'AB'}
    assert {name: len(values) for name, values in seconds.items()} == {
        'A': 2,
        'B': 2,
    }


@pytest.mark.parametrize('keep', [True, False])
def test_peak_memory_is_exact(keep):
    kept = []

    def function():
        first = torch.empty(1000, 1000)
        second = torch.empty(500, 1000)
        if keep:
            kept.append(first)
        del first, second
        torch.empty(250, 1000)

    assert peak_memory(function) == 6_000_000
    assert peak_memory(lambda: None) == 0


def test_peak_memory_sees_the_backward_pass():
    x = torch.randn(1000, 100, requires_grad=True)
    y = torch.randn(1000, 100)
    peak = peak_memory(lambda: torch.autograd.grad((x * y).sum(), x))
    assert 400_000 <= peak <= 820_000  # the gradient, and one copy at most


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_peak_memory_is_exact_on_a_gpu():
    def function():
        torch.empty(1 << 20, device='cuda')

    assert peak_memory(function, 'cuda') == 4 << 20


def test_a_ratio_is_the_median_over_rounds():
    group = Group('', ['a'], [Row('a', [1, 2, 4]), Row('b', [2, 2, 20])])
    assert group.ratio(group.row('b'), 'a').middle == 2
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)
    assert Spread.of(list(range(11))) == Spread(1, 5, 9)


def test_random_networks_look_trained(student):
    torch.manual_seed(0)
    images = random_images(4, 8, CPU)
    network = random_network(read(student), images)
    assert not network.training
    with torch.no_grad():
        assert network(images).std().item() == pytest.approx(3, rel=1e-4)
    norms = [m for m in network.modules() if hasattr(m, 'running_var')]
    assert norms
    for norm in norms:
        assert norm.momentum == 0.1
        for trivial, values in ((0, norm.running_mean), (1, norm.weight)):
            assert (values - trivial).abs().max() > 0.05


def test_timm_gets_the_same_student_and_teacher(student, teacher):
    pytest.importorskip('timm.task')
    images, labels = random_images(4, 8, CPU), torch.tensor([1, 2, 3, 4])
    networks = [
        random_network(read(name), images) for name in (student, teacher)
    ]
    with torch.no_grad():
        result = timm_task(*networks).eval()(images, labels)
        logits, others = (network(images) for network in networks)
    cross_entropy = torch.nn.functional.cross_entropy(logits, labels)
    divergence = torch.nn.functional.kl_div(
        logits.log_softmax(1), others.softmax(1), reduction='batchmean'
    )
    torch.testing.assert_close(result['output'], logits)
    torch.testing.assert_close(result['loss'], cross_entropy + divergence)


def test_without_timm_its_row_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm.task', None)
    assert timm_task(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)) is None


def measured(folder, *arguments, plot='plot.svg'):
    """Run the tool in this process; return what it wrote as JSON."""
    files = ['--json', folder / 'result.json', '--plot', folder / plot]
    main([str(x) for x in (*arguments, *SHORT, *files)])
    assert (folder / plot).stat().st_size > 1000
    return json.loads((folder / 'result.json').read_text())


def names(group):
    return [row['name'] for row in group['rows']]


def test_losses_are_compared(tmp_path, capsys):
    result = measured(
        tmp_path, 'losses', '--shapes', '5x7', '3x11', plot='plot.png'
    )
    assert [g['title'] for g in result['groups']] == [
        '5 x 7 logits',
        '3 x 11 logits',
    ]
    for group in result['groups']:
        assert {'NKD', 'NKD, plain', 'NKD, as released'} <= set(names(group))
        for row in group['rows']:
            assert len(row['seconds']) == 2
            assert all(math.isfinite(x) for x in row['seconds'])
    printed = capsys.readouterr().out
    assert '| 3 x 11 logits ' in printed
    assert f'torch {torch.__version__}' in printed
    assert '2 rounds after 1 for warm-up.' in printed
    assert (tmp_path / 'plot.png').read_bytes()[:4] == b'\x89PNG'


@pytest.mark.parametrize(
    ('sweep', 'titles'),
    [
        ('batch', ['2 x 7 logits', '3 x 7 logits']),
        ('classes', ['5 x 2 logits', '5 x 3 logits']),
    ],
)
def test_losses_are_swept(tmp_path, sweep, titles):
    options = ['--shapes', '5x7', '--sweep', sweep, '--sizes', '2', '3']
    result = measured(tmp_path, 'losses', *options)
    assert [g['title'] for g in result['groups']] == titles
    assert [g['size'] for g in result['groups']] == [2, 3]
    plot = (tmp_path / 'plot.svg').read_text()
    assert 'tf-NKD, plain</text>' in plot  # text, not outlines of glyphs
    assert len(plot) < 60_000


def test_teachers_are_compared(tmp_path, student, teacher):
    result = measured(
        tmp_path, 'teacher', '--models', student, teacher, *IMAGES
    )
    assert len(result['groups']) == 2
    for group in result['groups']:
        assert names(group)[:2] == ['plain', 'accelerated (default)']
        plain, accelerated, low = group['rows'][:3]
        error = 'largest error of a logit'
        assert plain['values'].keys() == {error}
        for row in (plain, accelerated):  # against float64
            assert 0 < row['values'][error] < 1e-4
        assert accelerated['values']['difference from plain'] < 1e-4
        assert low['values']['in probability'] < 0.1


def test_teachers_are_swept(tmp_path, teacher):
    options = ['--sweep', 'image-size', '--sizes', '8', '12', '--batch', '2']
    result = measured(tmp_path, 'teacher', '--models', teacher, *options)
    titles = [group['title'] for group in result['groups']]
    assert [title.split(', ')[1] for title in titles] == [
        '2 images of 8 px',
        '2 images of 12 px',
    ]


def test_training_steps_are_compared(tmp_path, student, teacher):
    models = ['--student', student, '--teacher', teacher]
    result = measured(tmp_path, 'step', *models, *IMAGES)
    (group,) = result['groups']
    assert group['baselines'] == ['student + teacher forward', 'student']
    rows = {row['name']: row for row in group['rows']}
    sums = zip(rows['student']['seconds'], rows['teacher forward']['seconds'])
    assert rows['student + teacher forward']['seconds'] == pytest.approx(
        [a + b for a, b in sums], rel=1e-3
    )
    memory = {name: row['values'] for name, row in rows.items()}
    assert memory['student'] == {}
    assert memory['distilled, no losses'] == {'peak MB above student': 0}


def test_the_tool_fills_in_a_page(tmp_path, capsys):
    measured(tmp_path, 'losses', '--shapes', '5x7')
    table = capsys.readouterr().out
    page = tmp_path / 'page.md'
    page.write_text('# A\n<!-- begin: result -->old<!-- end: result -->\nB\n')
    plot = tmp_path / 'again.svg'
    output = run(
        sys.executable,
        ROOT / 'tools' / 'benchmark.py',
        'report',
        tmp_path / 'result.json',
        '--page',
        page,
        '--plot',
        plot,
    )
    assert output == ''
    content = page.read_text()
    assert content.startswith('# A\n<!-- begin: result -->\n\n| 5 x 7 logits')
    assert content.endswith('warm-up.\n\n<!-- end: result -->\nB\n')
    assert 'old' not in content
    assert plot.read_bytes() == (tmp_path / 'plot.svg').read_bytes()
    main(['report', str(tmp_path / 'result.json')])
    assert capsys.readouterr().out == table


def test_a_page_without_the_markers_is_refused(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('<!-- end: a --><!-- begin: a -->')
    with pytest.raises(ValueError, match='Expected <!-- begin: a --> and'):
        insert(page, 'a', 'text')
    with pytest.raises(ValueError, match='but found neither'):
        insert(page, 'b', 'text')


def test_a_file_that_is_no_result_is_refused(tmp_path):
    for text in ('{}', '[]', 'no JSON', '{"groups": [{}]}'):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(SystemExit, match='Expected a result of'):
            main(['report', str(tmp_path / 'a.json')])
    with pytest.raises(SystemExit, match='No such file'):
        main(['report', str(tmp_path / 'none.json')])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['losses', '--shapes', '5'], "like 256x1000, but got '5'"),
        (['losses', '--shapes', '5x1'], "like 256x1000, but got '5x1'"),
        (['losses', '--rounds', '0'], "a whole number > 0, but got '0'"),
        (['losses', '--sizes', '5'], '--sizes are those of a --sweep'),
        (
            ['losses', '--sweep', 'batch', '--shapes', '5x7', '5x9'],
            '--sweep takes one of --shapes',
        ),
        (['losses', '--dtype', 'int8'], 'invalid choice'),
        (['losses', '--json', 'no/such/x.json'], 'there is no folder no/such'),
        (['losses', '--plot', 'x.gif'], '--plot writes .png or .svg'),
        (['teacher', '--models', 'resnet_99'], "but got 'resnet_99'. Nearest"),
        (['step', '--teacher', 'x.py'], "there is none at 'x.py'"),
        (['report', 'a.json', 'b.json', '--plot', 'a.svg'], 'one result at'),
        (['report', 'a.json', '--page', 'none.md'], 'there is no page none'),
        ([], 'the following arguments are required: command'),
    ],
)
def test_bad_arguments_are_refused_in_one_line(capsys, arguments, message):
    assert message in refused(capsys, *arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs no GPU to fail')
def test_a_gpu_that_is_not_there_is_refused(capsys):
    assert 'sees no GPU' in refused(capsys, 'losses', '--device', 'cuda')


def test_a_student_that_cannot_be_distilled_here_is_refused(tmp_path, capsys):
    path = tmp_path / 'timm.py'
    path.write_text("model = dict(type='TimmClassifier', model_name='a')\n")
    line = refused(capsys, 'step', '--student', path)
    assert 'a student of type ImageClassifier, but' in line


def test_networks_that_do_not_fit_are_refused(
    tmp_path, capsys, student, teacher
):
    other = config_file(tmp_path, 'other', classes=9)
    line = refused(capsys, 'step', '--student', student, '--teacher', other)
    assert '--student and --teacher have 10 and 9 classes' in line
    sizes = ['--sweep', 'image-size', '--sizes', '224', '128']
    line = refused(capsys, 'teacher', '--models', 'swin-tiny', *sizes)
    assert 'swin-tiny fails on an image of 128 px: The input shape' in line
    headless = tmp_path / 'headless.py'
    headless.write_text(
        f'model = { ({**tiny.resnet(), "head": None, "neck": None})!r}\n'
    )
    line = refused(capsys, 'teacher', '--models', headless)
    assert 'headless.py puts out no logits' in line


def test_a_dtype_that_the_device_lacks_is_refused(capsys, monkeypatch):
    def cross_entropy(logits, target):
        raise RuntimeError('not implemented for Half')

    monkeypatch.setattr(torch.nn.functional, 'cross_entropy', cross_entropy)
    line = refused(capsys, 'losses', '--dtype', 'float16', '--device', 'cpu')
    assert 'has no cross-entropy of torch.float16 on cpu' in line


@pytest.mark.parametrize('package', ['matplotlib', 'rich.console'])
def test_missing_packages_are_named(package, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    line = refused(capsys, 'losses', '--plot', tmp_path / 'a.svg')
    assert 'pip install "mmnkd[demo]"' in line
