"""Dead keys: found in made-up configs, and in none of ours."""

import pytest
from command import ROOT
from mmengine.config import Config

from mmnkd.diagnosis import find_dead_keys

CONFIGS = sorted((ROOT / 'configs').glob('*/*.py'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_no_config_has_dead_keys(path):
    assert find_dead_keys(path) == {}


def test_dead_keys_are_found(tmp_path):
    (tmp_path / 'base.py').write_text(
        'max_epochs = 10\n'
        'train_cfg = dict(max_epochs=max_epochs)\n'
        "name = 'resnet'\n"
        'lr_config = dict(step=[1, 2])\n'
    )
    heir = tmp_path / 'heir.py'
    heir.write_text(
        "_base_ = ['./base.py', 'mmpretrain::_base_/default_runtime.py']\n"
        "model = dict(type='{{_base_.name}}')\n"
        'train_pipeline = []\n'
        'max_epochs = 20\n'
    )
    assert find_dead_keys(heir) == {
        str(heir): ['train_pipeline', 'max_epochs'],
        str(tmp_path / 'base.py'): ['lr_config'],
    }


def test_bases_are_those_that_mmengine_finds(tmp_path):
    (tmp_path / 'a.py').write_text('lr_config = 1\n')
    (tmp_path / 'b.yml').write_text('model: {type: A}')
    (tmp_path / 'heir.py').write_text("_base_ = ['./a.py'] + ['./b.yml']\n")
    assert Config.fromfile(tmp_path / 'heir.py').model.type == 'A'
    found = find_dead_keys(tmp_path / 'heir.py')
    assert found == {str(tmp_path / 'a.py'): ['lr_config']}


def test_dead_keys_are_looked_for_in_python_only(tmp_path):
    (tmp_path / 'config.yml').write_text('model: 1')
    with pytest.raises(ValueError, match=r'Python config.*config\.yml'):
        find_dead_keys(tmp_path / 'config.yml')
    with pytest.raises(FileNotFoundError):
        find_dead_keys(tmp_path / 'none.py')
