"""The paper's configs, run by the command on data in the real layouts."""

import hashlib
import json
import pickle
import runpy
import sys
import tarfile

import numpy as np
import pytest
import tiny
import torch
from command import ROOT, forked, run, train
from mmpretrain.datasets import CIFAR100
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from PIL import Image

from mmnkd.datasets import Digits, LocalCIFAR100

TOOL = ROOT / 'tools' / 'prepare_cifar100.py'
PREPARE = runpy.run_path(str(TOOL))
prepare_cifar100 = PREPARE['prepare_cifar100']
CLASSES = list(CIFAR100.METAINFO['classes'])


def save_image(path, size, seed):
    draw = np.random.default_rng(seed)
    pixels = draw.integers(256, size=(size, size, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture(scope='module')
def imagenet(tmp_path_factory):
    """Make an ImageNet of 1000 class folders, few of them with images."""
    root = tmp_path_factory.mktemp('imagenet')
    for split in ('train', 'val'):
        for number in range(len(IMAGENET_CATEGORIES)):
            (root / split / f'n{number:08d}').mkdir(parents=True)
        for number in range(4):
            path = root / split / f'n{number * 100:08d}' / 'image.JPEG'
            save_image(path, 256, seed=number)
    return root


@pytest.fixture(scope='module')
def cifar_images(tmp_path_factory):
    """Make a folder of CIFAR-100 images, one or two for each class."""
    root = tmp_path_factory.mktemp('images')
    for split, count in (('train', 2), ('test', 1)):
        for label, name in enumerate(CLASSES):
            for i in range(count):
                save_image(root / split / name / f'{i}.png', 32, 2 * label + i)
    return root


@pytest.fixture(scope='module')
def cifar100(cifar_images, tmp_path_factory):
    """Turn the folder into what the configs read, by the tool."""
    root = tmp_path_factory.mktemp('cifar100')
    printed = run(sys.executable, TOOL, cifar_images, '--out', root)
    assert f'CIFAR-100 is ready in {root}' in printed
    return root


def options(root, epochs, **more):
    """Return options for a short run in this process, on data in `root`."""
    common = {
        f'train_cfg.max_epochs={epochs}',
        'train_dataloader.batch_size=2',
    }
    for part in ('train', 'val', 'test'):
        loader = f'{part}_dataloader'
        common |= {
            f'{loader}.dataset.data_root={root}',
            f'{loader}.num_workers=0',
            f'{loader}.persistent_workers=False',
        }
    given = {f'{key}={value}' for key, value in more.items()}
    return ['--cfg-options', *sorted(common | given)]


def check_experiment(config, work_dir, data, **more):
    """Train, validate, save, resume and test."""
    random = {'model.teacher.checkpoint': None}  # no weights can be had here
    where = ['--work-dir', work_dir]
    train(config, *where, *options(data, 1, **more, **random))
    longer = options(data, 2, **more, **random)
    output = train(config, *where, '--resume', *longer)
    assert 'resumed epoch: 1' in output
    assert 'Epoch(val) [2]' in output
    metrics = work_dir / 'metrics.json'
    wanted = ['--out', metrics, '--out-item', 'metrics']
    wanted += options(data, 2, **more)
    forked('test', config, work_dir / 'epoch_2.pth', *where, *wanted)
    assert 0 <= json.loads(metrics.read_text())['accuracy/top1'] <= 100
    weights = tiny.saved(work_dir / 'epoch_2.pth')['state_dict']
    assert not [name for name in weights if 'teacher' in name]
    assert all(torch.isfinite(v.float()).all() for v in weights.values())


@tiny.needs_safe_globals
def test_imagenet_experiment_trains_resumes_and_tests(imagenet, tmp_path):
    config = 'configs/nkd/nkd_resnet34_resnet18_8xb32_in1k.py'
    check_experiment(config, tmp_path, imagenet)


@tiny.needs_safe_globals
def test_cifar100_experiment_trains_resumes_and_tests(cifar100, tmp_path):
    config = 'configs/nkd/nkd_resnet34_resnet18_8xb16_cifar100.py'
    parts = ('train', 'val', 'test')
    few = {f'{part}_dataloader.dataset.indices': 4 for part in parts}
    check_experiment(config, tmp_path, cifar100, **few)


# Preparing CIFAR-100.


def test_prepared_images_are_those_of_the_folder(cifar_images, cifar100):
    data = LocalCIFAR100(data_root=str(cifar100), split='train')
    assert len(data) == 200
    for index in (0, 1, 87, 199):
        item = data.get_data_info(index)
        name = CLASSES[item['gt_label']]
        assert item['gt_label'] == index // 2
        path = cifar_images / 'train' / name / f'{index % 2}.png'
        assert np.array_equal(item['img'], np.asarray(Image.open(path)))
    assert len(LocalCIFAR100(data_root=str(cifar100), split='test')) == 100


def test_prepared_files_have_the_official_layout(cifar100):
    folder = cifar100 / 'cifar-100-python'
    content = pickle.loads((folder / 'test').read_bytes(), encoding='latin1')
    assert content['data'].shape == (100, 3072)
    assert content['fine_labels'] == list(range(100))
    meta = pickle.loads((folder / 'meta').read_bytes())
    assert meta['fine_label_names'] == CLASSES


def test_the_official_archive_is_checked_and_unpacked(
    cifar100, tmp_path, monkeypatch
):
    archive = tmp_path / 'cifar-100-python.tar.gz'
    with tarfile.open(archive, 'w:gz') as files:
        files.add(cifar100 / 'cifar-100-python', 'cifar-100-python')
    with pytest.raises(ValueError, match='official.*is another file'):
        prepare_cifar100(archive, tmp_path / 'data')
    digest = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR100, 'tgz_md5', digest)
    prepare_cifar100(archive, tmp_path / 'data')
    data = LocalCIFAR100(data_root=str(tmp_path / 'data'), split='test')
    assert len(data) == 100


def test_a_source_of_the_wrong_form_is_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='archive or a folder'):
        prepare_cifar100(tmp_path / 'none', tmp_path)
    with pytest.raises(FileNotFoundError, match=r'images at .*train'):
        prepare_cifar100(tmp_path, tmp_path)
    for split in ('train', 'test'):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match='Expected images in'):
        prepare_cifar100(tmp_path, tmp_path)
    save_image(tmp_path / 'train' / 'apple' / 'big.png', 64, seed=0)
    with pytest.raises(ValueError, match=r'32x32.*big.png has 64x64'):
        prepare_cifar100(tmp_path, tmp_path)
    (tmp_path / 'train' / 'apple').rename(tmp_path / 'train' / 'apples')
    with pytest.raises(ValueError, match=r"\['apple'\] are missing.*apples"):
        prepare_cifar100(tmp_path, tmp_path)
    monkeypatch.setattr(sys, 'argv', ['tool', str(tmp_path / 'none')])
    with pytest.raises(SystemExit, match='Expected an archive or a folder'):
        PREPARE['main']()


# The digits.


def test_digits_are_split_by_class_and_disjoint():
    splits = {name: Digits(split=name) for name in ('train', 'test')}
    data = {
        name: [split.get_data_info(i) for i in range(len(split))]
        for name, split in splits.items()
    }
    assert {name: len(rows) for name, rows in data.items()} == {
        'train': 1201,
        'test': 596,
    }
    for label in range(10):
        counts = {
            name: sum(row['gt_label'] == label for row in rows)
            for name, rows in data.items()
        }
        assert abs(counts['train'] - 2 * counts['test']) <= 2
    seen = {row['img'].tobytes() for row in data['train']}
    assert not seen & {row['img'].tobytes() for row in data['test']}
    image = data['train'][0]['img']
    assert (image.shape, image.dtype.name) == ((8, 8, 3), 'uint8')
    assert max(row['img'].max() for row in data['train']) == 255


def test_digits_refuse_another_split():
    with pytest.raises(ValueError, match="'train' or 'test', but got 'val'"):
        Digits(split='val')


def test_digits_say_how_to_get_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ImportError, match=r'pip install "mmnkd\[demo\]"'):
        Digits(split='train')
