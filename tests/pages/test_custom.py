"""The configs of configs/custom train on a folder of images."""

import subprocess
import sys

import pytest
from pages.story import ROOT, environment

pytestmark = pytest.mark.docs
CONFIGS = ROOT / 'configs' / 'custom'
# In place of pretrained weights, as none can be had here.
OFFLINE = {
    'folder_teacher': 'load_from=None',
    'folder': None,
    'finetune': 'model.backbone.init_cfg=None',
    'timm_teacher': 'model.pretrained=False',
    'timm_student': 'model.pretrained=False',
    'hugging_face': 'model.pretrained=False model.model_name=vit',
}
SHORT = [
    'train_cfg.max_epochs=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
]


def run(folder, *command):
    result = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    return result.stdout


def test_the_configs_of_custom_train_one_after_the_other(tmp_path):
    import transformers

    for split in ('train', 'val'):
        images = f'data/my_images/{split}'
        run(tmp_path, ROOT / 'tests/pages/make_images.py', images, *'abc')
    transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    ).save_pretrained(tmp_path / 'vit')
    assert sorted(OFFLINE) == sorted(
        path.stem for path in CONFIGS.glob('*.py')
    )
    for name, options in OFFLINE.items():
        options = [*SHORT, *(options or '').split()]
        train = ['-m', 'mmnkd', 'train', CONFIGS / f'{name}.py']
        printed = run(tmp_path, *train, '--cfg-options', *options)
        assert 'Epoch(val) [1]' in printed
        if 'teacher' in name:
            folder = tmp_path / 'work_dirs' / name
            (folder / 'epoch_1.pth').rename(folder / 'epoch_20.pth')
