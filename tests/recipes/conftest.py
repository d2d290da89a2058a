"""What the tests of recipes write: configs, and folders of images."""

import pytest
import tiny
from mmengine.config import Config
from PIL import Image

from mmnkd.recipes import distill


@pytest.fixture
def folder(tmp_path):
    """Return what makes a folder of images, so many of each class."""

    def make(classes, *parts):
        root = tmp_path / 'images'
        for part in parts or ('',):
            for name, count in classes.items():
                for number in range(count):
                    path = root / part / name / f'{number}.JPEG'
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.new('RGB', (8, 8), (40 * number, 0, 0)).save(path)
        return str(root)

    return make


@pytest.fixture
def written(tmp_path):
    """Return what writes a config, and returns it as text and as read."""

    def write(*names, **options):
        out = tmp_path / 'made' / 'my.py'
        distill(*names, out=str(out), **options)
        return out.read_text(), Config.fromfile(out)

    return write


@pytest.fixture
def small(tmp_path):
    """Write configs that train tiny networks on digits; return the files."""
    files = {}
    networks = {'student': tiny.resnet(), 'teacher': tiny.resnet(width=8)}
    loader = {'batch_size': 4, 'num_workers': 0}
    steps = [{'type': 'RandomCrop', 'crop_size': 8}, {'type': 'PackInputs'}]
    digits = {'type': 'Digits', 'pipeline': steps}
    for name, model in networks.items():
        config = {
            'model': model,
            'data_preprocessor': dict(tiny.PREPROCESSOR),
            'train_dataloader': {**loader, 'dataset': digits},
            'val_dataloader': {**loader, 'dataset': digits},
            'val_evaluator': {'type': 'Accuracy', 'topk': (1, 5)},
            'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.1}},
            'train_cfg': {'max_epochs': 3},
        }
        files[name] = str(tmp_path / f'{name}.py')
        Config(config).dump(files[name])
    return files
