"""``mmnkd doctor``: what it prints, its JSON, its exit codes."""

import io
import json
import re

import examined
import pytest
from command import forked
from rich.console import Console

from mmnkd.cli import doctor, main
from mmnkd.diagnosis import cost
from mmnkd.diagnosis.cost import Cost
from mmnkd.diagnosis.facts import DataFacts, ImageFacts
from mmnkd.diagnosis.finding import Finding
from mmnkd.diagnosis.report import NetworkFacts, Report
from mmnkd.diagnosis.signal import Signal
from mmnkd.diagnosis.terms import Term


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return examined.write_config(tmp_path_factory.mktemp('examined'))


@pytest.fixture(autouse=True)
def one_step(monkeypatch):
    monkeypatch.setattr(cost, 'MOST_STEPS', 1)


def printed(report, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    doctor.show(report, console)
    return console.export_text()


def test_a_good_config_is_told_section_by_section(config, capsys):
    code = main(['doctor', str(config), '--batches', '1', '--gpus', '1'])
    text = capsys.readouterr().out
    assert code == 0, text
    titles = re.findall(r'^[A-Z][a-zA-Z ]+$', text, re.MULTILINE)
    assert titles[:5] == [
        'What the config does',
        'Data',
        'What the teacher has to teach',
        'Time and memory',
        'Loss terms',
    ]
    assert 'from teacher.pth' in ' '.join(text.split())
    assert re.search(r'loss_nkd_target +\d', text)
    assert f'Good. Train by: mmnkd train {config}' in text


def test_json_has_the_numbers_and_nothing_else_is_on_stdout(config, capsys):
    options = ['--batches', '1', '--json', '-', '--cfg-options']
    weight = 'model.distill_losses.nkd.loss_weight=50'
    code = main(['doctor', str(config), *options, weight])
    report = json.loads(capsys.readouterr().out)
    assert code == report['exit_code'] == 1
    assert report['verdict'] == 'warnings'
    assert report['findings'][0]['name'] == 'term-large'
    assert report['terms'][1]['ratio'] > 10
    assert report['plan']['total_batch'] == 64
    assert report['cost']['student'] > 0


def test_names_of_findings_to_ignore_are_checked(capsys):
    assert main(['doctor', 'a.py', '--ignore-finding', 'dead-kye']) == 1
    assert "Nearest: ['dead-key']" in capsys.readouterr().err


def test_json_is_written_beside_the_report(config, capsys, tmp_path):
    file = tmp_path / 'report.json'
    options = ['--cfg-options', 'model.head.num_classes=5']
    code = main(['doctor', str(config), '--json', str(file), *options])
    assert code == 2
    assert json.loads(file.read_text())['verdict'] == "won't train"
    text = capsys.readouterr().out
    assert 'error [class-count]' in text
    assert "Won't train. Fix the errors above" in text


def test_the_command_exits_with_2_for_a_file_that_is_not_there():
    text = forked('doctor', 'none.py', code=2)
    assert 'error [config] Expected a config' in text
    assert 'Traceback' not in text


def test_help_has_two_examples_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(['doctor', '--help'])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert text.count('\n  mmnkd doctor ') == 2
    for code, meaning in (
        (0, 'all is good'),
        (1, 'it trains'),
        (2, "it won't"),
    ):
        assert f'{code}  {meaning}' in text


@pytest.mark.parametrize('option', ['--batches', '--gpus'])
def test_counts_below_1_are_refused(capsys, option):
    with pytest.raises(SystemExit) as stopped:
        main(['doctor', 'config.py', option, '0'])
    assert stopped.value.code == 2
    assert (
        f'argument {option}: at least 1, but got 0' in capsys.readouterr().err
    )


def big_report():
    """Return a report of a large training, with all that can be in one."""
    long = 'configs/nkd/' + 40 * 'long' + '.py'
    return Report(
        long,
        stack={'mmnkd': '0.1.0', 'torch': '2.14.1', 'device': 'NVIDIA H100'},
        networks=[NetworkFacts('student', 'ResNet-18', 11_689_512)],
        train=DataFacts('ImageNet', 1_281_167, 20_000, {'a': 9, 'b': 11}),
        val=DataFacts('ImageNet', 50_000, 20_000, {}),
        images={'the student': ImageFacts((3, 224, 224), -2.1, 2.6, 0, 1)},
        signal=Signal(256, 73.6, 0.62, 0.41, 0.55),
        signal_on='validation',
        terms=[
            Term('loss_cls', None, 6.9, 0.1, 1.0),
            Term('loss_mgd', 'mgd', 0.1, None, None),
        ],
        cost=Cost(1.2, 5, 0.2, 0.07, 0.001, 0.3, 3 * 2**30),
        steps=500_400,
        seconds=500_400 * 0.24,
        advice=[f'Store its answers:\nmmnkd cache {long} --out DIR'],
        findings=[
            Finding(
                'batch-size', 'warning', 'Expected x. ' * 20, 'Do y. ' * 20
            ),
            Finding('std-0', 'error', 'Expected z.', 'Set it.'),
        ],
    )


@pytest.mark.parametrize('width', [60, 80, 200])
def test_lines_fit_the_terminal_but_for_commands_to_copy(width):
    for line in printed(big_report(), width).splitlines():
        is_command = line.strip().startswith('mmnkd cache configs/nkd/')
        assert len(line) <= width or is_command or 'long' in line


def test_a_big_report_reads_as_meant():
    text = ' '.join(printed(big_report()).split())
    for part in (
        '1281167 images (ImageNet) of 2 classes; of 20000 counted, 9 (a) to',
        '3 x 224 x 224, values -2.10 to 2.60',
        'A step 240 ms on NVIDIA H100: data 17%, student 54%, teacher',
        'and 5 do it beside the training',
        'about 33.4 hours with validations; 29% of it is the teacher',
        '3.0 GiB at most of the GPU',
        'A dash: it acts on features',
        "Won't train.",
    ):
        assert part in text
    assert text.index('error [std-0]') < text.index('warning [batch-size]')


def test_noise_is_named_and_words_of_other_verdicts_are_right():
    report = big_report()
    report.is_data_real = False
    report.findings = report.findings[:1]
    text = printed(report)
    assert 'NVIDIA H100, on images of noise:' in text
    assert 'Warnings. It trains, but look at the findings' in text
