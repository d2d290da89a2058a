"""No file runs code, takes the memory, or leaves a user without a reason."""

import ast

import hostile
import pytest
import tiny
from command import ROOT
from mmengine.runner import CheckpointLoader

from mmnkd.cli import main
from mmnkd.cli.files import read_safely

NKD = ROOT / 'configs/demo/nkd_wide_tiny_1xb64_digits.py'
RANDOM_TEACHER = 'model.teacher.checkpoint=None'
WAYS = {
    'teacher': lambda file: [
        'train',
        NKD,
        '--cfg-options',
        f'model.teacher.checkpoint={file}',
    ],
    'load_from': lambda file: [
        'train',
        NKD,
        '--cfg-options',
        f'load_from={file}',
        RANDOM_TEACHER,
    ],
    'resume': lambda file: [
        'train',
        NKD,
        '--resume',
        file,
        '--cfg-options',
        RANDOM_TEACHER,
    ],
    'test': lambda file: ['test', NKD, file],
}
each_way = pytest.mark.parametrize(
    'way',
    [
        pytest.param(way, marks=[tiny.needs_safe_globals] * (way == 'resume'))
        for way in WAYS
    ],
)


def read_in_a_process(file, way):
    """Return the error of reading a file as a teacher, or as a Runner does."""

    def read():
        if way == 'teacher':
            tiny.built_teacher(checkpoint=str(file))
        read_safely()
        CheckpointLoader.load_checkpoint(str(file))
        return 'loaded'

    return hostile.outcome(read).result


@pytest.mark.parametrize('way', ['teacher', 'loader'])
@pytest.mark.parametrize('write', hostile.FEW)
def test_a_hostile_file_is_refused(write, way, tmp_path):
    file, mark = tmp_path / 'file.pth', tmp_path / 'mark'
    write(file, mark)
    found = read_in_a_process(file, way)
    assert not mark.exists(), 'the file ran code'
    if (write, way) == (hostile.other_network, 'loader'):
        assert found == 'loaded'  # and then compared with the model
    else:
        assert found.startswith(f"ValueError: Expected '{file}' to ") or (
            found.startswith(f"ValueError: Expected the weights in '{file}'")
        )


def refused(write, way, tmp_path, monkeypatch):
    """Expect the command to say in a line what is wrong with a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    file, mark = tmp_path / 'file.pth', tmp_path / 'mark'
    write(file, mark)
    arguments = [str(argument) for argument in WAYS[way](file)]
    found = hostile.outcome(lambda: main(arguments))
    assert not mark.exists(), 'the file ran code'
    assert found.result == 1
    assert found.printed.startswith(f'mmnkd {arguments[0]}: ')
    assert str(file) in found.printed
    return found


@each_way
def test_a_command_refuses_a_file_that_runs_code(way, tmp_path, monkeypatch):
    refused(hostile.runs_code_by_getattr, way, tmp_path, monkeypatch)


@pytest.mark.slow
@each_way
def test_a_command_refuses_all_of_them(way, tmp_path, monkeypatch, capsys):
    rows = []
    for write in hostile.MANY:
        place = tmp_path / write.__name__
        place.mkdir()
        found = refused(write, way, place, monkeypatch)
        row = f'{write.__name__:28} {way:9} {found.seconds:5.1f} s'
        rows.append(f'{row} {found.megabytes:5.0f} MB')
    with capsys.disabled():
        print('', *rows, sep='\n')


@pytest.mark.parametrize('way', ['teacher', 'loader'])
def test_a_file_cut_at_any_length_is_refused(way, tmp_path):
    for part in range(20):
        file = tmp_path / f'{part}.pth'
        hostile.truncated(file, None, share=part / 20)
        assert read_in_a_process(file, way).startswith('ValueError: Expected')


def test_the_attacks_are_real(tmp_path):
    for write in (hostile.runs_code, hostile.runs_code_by_getattr):
        file, mark = tmp_path / 'x.pth', tmp_path / 'mark'
        write(file, mark)
        hostile.unpickle(file)
        assert mark.exists()
        mark.unlink()


def test_our_source_loads_weights_only():
    calls = 0
    for path in sorted((ROOT / 'mmnkd').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ''
            assert name not in ('pickle.load', 'pickle.loads'), path
            if name != 'torch.load':
                continue
            given = {key.arg: ast.unparse(key.value) for key in node.keywords}
            assert given.get('weights_only') == 'True', path
            calls += 1
    assert calls >= 2
