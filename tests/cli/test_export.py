"""``mmnkd export``, as a user runs it."""

import pytest
import tiny
import torch
from command import forked

from mmnkd.cli import main


@pytest.fixture
def checkpoint(tmp_path):
    torch.save(tiny.build(tiny.resnet()).state_dict(), tmp_path / 'x.pth')
    return tmp_path / 'x.pth'


def test_it_says_what_was_written(checkpoint, tmp_path):
    out, tensors = tmp_path / 'y.safetensors', len(tiny.saved(checkpoint))
    printed = forked('export', checkpoint, out)
    assert printed.splitlines() == [
        f'The student is in {out}: {tensors} tensors of a checkpoint of '
        'mmnkd or mmpretrain.',
        'The checkpoint has no names of classes.',
    ]
    assert out.is_file()


def test_an_error_is_one_line_and_exits_with_1(checkpoint, tmp_path, capsys):
    assert main(['export', str(tmp_path / 'no.pth'), 'out.pth']) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith('mmnkd export: Expected a checkpoint file')
    assert printed.err.count('\n') == 1
    assert main(['export', str(checkpoint), str(tmp_path / 'y.zip')]) == 1
    assert 'ends in .pth, .safetensors, .onnx' in capsys.readouterr().err


@pytest.mark.parametrize('size', ['0', '8x', 'x8', '8x-8', 'big'])
def test_a_size_is_one_or_two_numbers(checkpoint, capsys, size):
    with pytest.raises(SystemExit) as stopped:
        main(['export', str(checkpoint), 'y.onnx', '--image-size', size])
    assert stopped.value.code == 2
    assert 'expected 224 or 224x192' in capsys.readouterr().err
