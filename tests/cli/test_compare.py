"""``mmnkd compare``, as a user runs it."""

import json

import pytest
from command import forked

from mmnkd.cli import main

pytest.importorskip('torchmetrics')


@pytest.fixture
def work_dirs(tmp_path):
    """Write logs of two names with two seeds each."""
    for name, top1 in (('base', 50.0), ('nkd', 52.0)):
        for seed in (1, 2):
            folder = tmp_path / f'{name}_{seed}' / '20260101_000000/vis_data'
            folder.mkdir(parents=True)
            lines = [
                {'loss': 1.0, 'time': 0.5, 'epoch': 1, 'iter': 1, 'step': 1},
                {'accuracy/top1': top1 + seed, 'step': 1},
            ]
            text = '\n'.join(map(json.dumps, lines))
            (folder / 'scalars.json').write_text(text)
            config = f'randomness = dict(seed={seed})'
            (folder / 'config.py').write_text(config)
    return tmp_path


def test_it_prints_a_table_and_writes_a_page(work_dirs):
    page = work_dirs / 'report.html'
    named = [f'{name}={work_dirs}/{name}_*' for name in ('base', 'nkd')]
    lines = forked('compare', *named, '--out', page).splitlines()
    base, nkd = (
        line.split() for line in lines if line.strip().startswith(('ba', 'nk'))
    )
    assert ' '.join(base) == 'base 51.50 ± 0.71 (2) 51.50 ± 0.71'
    assert nkd[-5:] == ['+2.00', '[+2.00,', '+2.00]', '(2)', 'better']
    assert lines[-1] == f'Page: {page}'
    assert page.is_file()


def test_an_error_is_one_line_and_exits_with_1(work_dirs, capsys):
    assert main(['compare', f'a={work_dirs}/no']) == 1
    printed = capsys.readouterr().err
    assert printed.startswith('mmnkd compare: Expected the work_dir of a tr')
    assert printed.count('\n') == 1
    named = f'a={work_dirs}/nkd_*'
    assert main(['compare', named, '--metric', 'mAP']) == 1
    assert "the metric 'mAP'" in capsys.readouterr().err
    assert main(['compare', named, '--checkpoints']) == 1
    assert 'Leave out --checkpoints' in capsys.readouterr().err


def test_a_number_of_images_is_above_0(work_dirs, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(['compare', f'a={work_dirs}/nkd_1', '--images', '0'])
    assert stopped.value.code == 2
    assert 'expected a number above 0' in capsys.readouterr().err
