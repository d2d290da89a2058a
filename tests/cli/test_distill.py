"""`mmnkd distill`, `list` and `show`, run as a user runs them."""

import sys
from pathlib import Path

import mmpretrain
import pytest
import tiny
import torch
from command import ROOT, forked, run
from mmengine.config import Config
from PIL import Image
from rich.text import Text

from mmnkd.cli import main
from mmnkd.cli.catalog import WHAT, listed

STUDENT = str(ROOT / 'configs/demo/baseline_tiny_1xb64_digits.py')
TEACHER = str(ROOT / 'configs/demo/baseline_wide_1xb64_digits.py')
NKD = 'nkd_resnet34_resnet18_8xb32_in1k'
SHORT = ['train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=64']


@tiny.needs_safe_globals
def test_distill_writes_and_trains_at_once(tmp_path):
    names = [STUDENT, TEACHER, '--teacher-checkpoint', 'none', '--out', 'a.py']
    options = ['--train', '--set', *SHORT, 'nkd.gamma=2']
    printed = forked('distill', *names, *options, cwd=tmp_path)
    assert f'Wrote {tmp_path / "a.py"}' in printed
    assert 'loss_nkd_target' in printed
    assert list((tmp_path / 'work_dirs' / 'a').glob('epoch_1-*.pth'))


def test_what_it_writes_trains_by_the_tools_of_mmpretrain(tmp_path):
    names = [STUDENT, '--out', 'b.py', '--set', *SHORT]
    printed = forked('distill', *names, cwd=tmp_path)
    assert 'mmnkd train b.py --auto-scale-lr' in printed
    tool = Path(mmpretrain.__file__).parent / '.mim' / 'tools' / 'train.py'
    assert 'loss_tf_nkd' in run(sys.executable, tool, 'b.py', cwd=tmp_path)


@pytest.fixture
def folder_command(tmp_path):
    """Return a command that trains a teacher for a folder of images."""
    colors = {'red': (200, 0, 0), 'blue': (0, 0, 200)}
    for name, color in colors.items():
        (tmp_path / 'images' / name).mkdir(parents=True)
        for number in range(5):
            image = Image.new('RGB', (9, 9), color)
            image.save(tmp_path / 'images' / name / f'{number}.png')
    teacher = tmp_path / 'teacher.py'
    teacher.write_text(f'_base_ = {TEACHER!r}\ntrain_cfg = dict(max_epochs=1)')
    names = [STUDENT, str(teacher), '--data', 'images', '--out', 'c.py']
    options = ['--train', '--set', 'train_cfg.max_epochs=1']
    return ['distill', *names, *options]


@tiny.needs_safe_globals
def test_a_teacher_for_a_folder_is_trained_first(folder_command, tmp_path):
    printed = forked(*folder_command, cwd=tmp_path)
    assert 'The teacher knows other classes. Train it first.' in printed
    for name in ('c_teacher', 'c'):
        assert (tmp_path / 'work_dirs' / name / 'epoch_1.pth').is_file()


def test_an_old_torch_trains_no_teacher_that_it_will_not_read(
    folder_command, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, '__version__', '2.1.2')
    assert main(folder_command) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert 'Expected torch 2.6 or later' in error
    assert 'but got 2.1.2. Update torch to use --train with a' in error
    assert not Path('work_dirs').exists()


def test_an_error_is_told_in_one_line(tmp_path, capsys):
    out = str(tmp_path / 'a.py')
    assert main(['distill', 'resnet18', '--out', out]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('mmnkd distill: Expected a config (.py), a name')
    assert not Path(out).exists()


@pytest.mark.parametrize('command', ['distill', 'list', 'show'])
def test_help_has_the_exit_codes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, '--help'])
    assert 'exit codes: 0 done' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['show', 'nkd_resnet34_resnet18'], f'Nearest: {NKD}'),
        (['show', 'x'], "but got 'x'.\n"),
        (['export', '.', 'x.pth'], ': it is a folder.\n'),
        (['export', 'list.pth', 'x.pth'], 'Is it the checkpoint of a model?'),
        (['export', 'w.pth', 'x.onnx', '--config', 'a.py'], 'Python in a.py'),
        (['cache', 'a.py', '--out', 'x'], 'Python in a.py'),
        (['compare', 'a'], 'as in nkd=work_dirs/nkd'),
    ],
)
def test_bad_input_is_told_in_a_line(
    arguments, message, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    torch.save([1], 'list.pth')
    torch.save({'state_dict': {'a': torch.zeros(2)}}, 'w.pth')
    Path('a.py').write_text('model = (')
    assert main(arguments) == 1
    _, error = capsys.readouterr()
    assert message in error
    assert error.count('\n') == 1


def test_list_has_a_line_each(capsys):
    assert main(['list']) == 0
    printed = capsys.readouterr().out
    for what in WHAT:
        for name, *_ in listed(what):
            assert name in printed
    assert {'NKDLoss', 'TFNKDLoss'} <= {name for name, _ in listed('losses')}
    assert {'Digits', 'LocalCIFAR100'} <= {
        row[0] for row in listed('datasets')
    }
    shipped = {path.stem for path in (ROOT / 'configs').glob('[!_]*/*.py')}
    assert {row[0] for row in listed('configs')} == shipped


def test_a_terminal_of_100_columns_has_the_names_whole(monkeypatch, capsys):
    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.setattr('sys.stdout.isatty', lambda: True, raising=False)
    assert main(['list']) == 0
    printed = Text.from_ansi(capsys.readouterr().out).plain
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 100
    words = ' '.join(lines).split()
    for what in WHAT:
        assert {name for name, *_ in listed(what)} <= {*words}


def test_list_refuses_what_there_is_not():
    with pytest.raises(SystemExit) as stopped:
        main(['list', 'models'])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    'name',
    [
        NKD,
        'baseline_resnet18_8xb16_cifar100',
        'nkd_wide_tiny_1xb64_digits',
        'mgd_resnet50_mobilenet-v1_8xb32_in1k',
    ],
)
def test_show_prints_the_same_config_in_one_file(name, tmp_path, capsys):
    assert main(['show', name]) == 0
    text = capsys.readouterr().out
    (tmp_path / 'mine.py').write_text(text)
    (original,) = (ROOT / 'configs').glob(f'*/{name}.py')
    shown = Config.fromfile(tmp_path / 'mine.py')
    assert shown.to_dict() == Config.fromfile(original).to_dict()
    assert "_base_ = '../" not in text
    docstring = original.read_text().split('"""')[1]
    assert text.startswith(f'"""{docstring}"""')
