"""Real trainings to compare: a plain one and a distilled one, two seeds."""

import pytest
import tiny
import torch


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    """Train; return the folder with ``plain_1``, ``nkd_1`` and so on."""
    folder = tmp_path_factory.mktemp('trained')
    torch.manual_seed(0)
    weights = tiny.build(tiny.resnet(8)).state_dict()
    torch.save(weights, folder / 'teacher.pth')
    teacher = tiny.teacher(checkpoint=str(folder / 'teacher.pth'))
    models = {
        'plain': tiny.resnet(),
        'nkd': tiny.distilled(teacher_options=teacher),
    }
    for name, model in models.items():
        for seed in (1, 2):
            keys = {'val_cfg': {}, 'randomness': {'seed': seed}}
            work_dir = folder / f'{name}_{seed}'
            run = tiny.train(model, work_dir, epochs=2, **keys)
            if tiny.OLD_TORCH:  # which reads weights alone
                weights = run.model.state_dict()
                torch.save({'state_dict': weights}, work_dir / 'epoch_2.pth')
    return folder


@pytest.fixture
def log(tmp_path):
    """Return what writes a log as mmengine does, from lines."""

    def write(folder, *lines, time='20260101_000000'):
        path = tmp_path / folder / time / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(lines), encoding='utf8')
        return tmp_path / folder

    return write
