"""The configs of experiments, and whether their teachers have weights."""

import functools
from pathlib import Path

from command import ROOT
from mmengine.config import Config
from mmpretrain.apis import ModelHub

PATHS = {
    path.stem: path
    for path in sorted((ROOT / 'configs').glob('*/*.py'))
    if path.parent.name != '_base_'
}


@functools.cache  # to read one takes longer than to check it
def read(name):
    return Config.fromfile(PATHS[name])


@functools.cache
def known_weights():
    """Return configs and URLs of mmpretrain's metafiles, as OpenMMLab has."""
    ModelHub.get('resnet18_8xb32_in1k')  # reads them
    moved = 'mmassets.onedl.ai', 'download.openmmlab.com'
    return {
        (Path(info.config).name, info.weights.replace(*moved))
        for info in ModelHub._models_dict.values()
        if isinstance(info.config, str) and info.weights
    }


def check_teacher(name):
    """Expect weights of the metafiles, or of our own baseline."""
    teacher = read(name).model.teacher
    if 'cifar100' in name:
        stem = 'baseline_resnet34_8xb16_cifar100'
        assert Path(teacher.model).resolve() == PATHS[stem]
        assert read(stem).train_cfg.max_epochs == 200
        assert teacher.checkpoint == f'work_dirs/{stem}/epoch_200.pth'
        return
    assert (Path(teacher.model).name, teacher.checkpoint) in known_weights()
    assert 'in21k-pre' in teacher.checkpoint or 'deit' not in name
