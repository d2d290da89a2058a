"""Lay out CIFAR-100 as the configs read it, from what you have.

python tools/prepare_cifar100.py cifar-100-python.tar.gz
python tools/prepare_cifar100.py FOLDER   # {train,test}/<class>/<image>

The official layout is a folder ``cifar-100-python/`` with the pickles
``train``, ``test`` and ``meta``.
"""

import argparse
import pickle
import tarfile
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress
from mmpretrain.datasets import CIFAR100
from PIL import Image
from torchvision.datasets.utils import check_md5


def prepare_cifar100(source: Path, root: Path) -> None:
    """Lay out CIFAR-100 as the configs read it.

    Args:
        source: The official ``cifar-100-python.tar.gz``, or a folder
            ``{train,test}/<class>/<image>`` with the 100 classes.
        root: Folder to write ``cifar-100-python/`` into, ``data/cifar100`` in
            the configs.

    Raises:
        ValueError: Another archive, another number of classes, or an image
            that isn't of 32x32 pixels.
        FileNotFoundError: The source or a part of it isn't there.
    """
    if source.is_file():
        _extract(source, root)
    elif source.is_dir():
        splits = {name: _read_folder(source / name) for name in _SPLITS}
        _write(splits, root / CIFAR100.base_folder)
    else:
        raise FileNotFoundError(
            f'Expected an archive or a folder, but there is none at {source}.'
        )


_SPLITS = ('train', 'test')


def _extract(archive: Path, root: Path) -> None:
    if not check_md5(str(archive), CIFAR100.tgz_md5):
        raise ValueError(
            f'Expected the official {CIFAR100.filename} with the md5 '
            f'{CIFAR100.tgz_md5}, but {archive} is another file. Download it '
            f'again: {CIFAR100.url}'
        )
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as files:
        files.extractall(root)


def _read_folder(folder: Path) -> dict:
    classes = list(CIFAR100.METAINFO['classes'])
    if not folder.is_dir():
        raise FileNotFoundError(
            f'Expected a folder of images at {folder}, with one folder for '
            'each class, but there is none.'
        )
    found = {path.name for path in folder.iterdir() if path.is_dir()}
    if found != set(classes):
        raise ValueError(
            f'Expected the 100 classes of CIFAR-100 in {folder}, but '
            f'{sorted(set(classes) - found)[:5]} are missing and '
            f'{sorted(found - set(classes))[:5]} are unknown.'
        )
    paths = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
    ]
    if not paths:
        raise FileNotFoundError(f'Expected images in {folder}, but got none.')
    images = [_read_image(path) for path, _ in track_iter_progress(paths)]
    return {
        'data': np.stack(images),
        'fine_labels': [label for _, label in paths],
        'filenames': [path.name for path, _ in paths],
    }


def _read_image(path: Path) -> np.ndarray:
    """Return the channels one after the other, as CIFAR has them: (3072,)."""
    image = np.asarray(Image.open(path).convert('RGB'))
    if image.shape != (32, 32, 3):
        raise ValueError(
            f'Expected images of 32x32 pixels, but {path} has '
            f'{image.shape[1]}x{image.shape[0]}.'
        )
    return image.transpose(2, 0, 1).reshape(-1)


def _write(splits: dict[str, dict], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = {'fine_label_names': list(CIFAR100.METAINFO['classes'])}
    for name, content in {**splits, 'meta': names}.items():
        with open(folder / name, 'wb') as file:
            pickle.dump(content, file, protocol=4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('source', type=Path, help='archive or folder')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/cifar100'),
        help='where to write cifar-100-python/ (default: data/cifar100)',
    )
    args = parser.parse_args()
    try:
        prepare_cifar100(args.source, args.out)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from error
    print(f'CIFAR-100 is ready in {args.out}.')


if __name__ == '__main__':
    main()
