"""The wheel: what OpenMMLab's tools look for is in it."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tracked(*folders):
    listing = subprocess.run(
        ['git', 'ls-files', *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listing.stdout.split())


def test_wheel_carries_configs_tools_and_model_index(tmp_path):
    subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', '-o', tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob('mmnkd-0.1.0-*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in tracked('configs', 'tools', 'model-index.yml'):
        assert f'mmnkd/.mim/{path}' in names
    for path in tracked('mmnkd'):
        assert path in names
    assert not [
        n for n in names if n.startswith(('tests', 'configs', 'tools'))
    ]
    assert [n for n in names if n.endswith('LICENSE')]
