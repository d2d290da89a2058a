"""A folder of images by class: what it holds, split and checked."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Optional

from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

__all__ = ['ImageFolder', 'imagenet_indices', 'read_image_folder']

VALIDATION = ('val', 'valid', 'validation', 'test')
ENDINGS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')


class ImageFolder(NamedTuple):
    """Hold where the images lie, and what they show.

    Attributes:
        root: The folder.
        classes: Their names, in order.
        train: The training's subfolder, '' for a folder that is split here.
        val: The validation's.
        files: The names of the files in both, by class.
    """

    root: Path
    classes: list[str]
    train: str
    val: str
    files: list[list[str]]


def read_image_folder(folder: str) -> ImageFolder:
    """Read the names in a folder of images by class.

    Args:
        folder: With ``train/CLASS/…`` and ``val/CLASS/…`` (or valid,
            validation, test), or with ``CLASS/…`` alone.
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise FileNotFoundError(
            f'Expected a folder of images, but there is none at {folder!r}.'
        )
    val = next((name for name in VALIDATION if (root / name).is_dir()), '')
    if not (root / 'train').is_dir():
        found = _by_class(root, least=2)
        return ImageFolder(root, list(found), '', '', list(found.values()))
    if not val:
        raise ValueError(
            f'Expected {root} to have a folder of {", ".join(VALIDATION)} '
            'beside train, but it has none. Move some images there, by class.'
        )
    found, held_out = _by_class(root / 'train'), _by_class(root / val)
    if list(found) != list(held_out):
        differing = sorted(set(found) ^ set(held_out))
        raise ValueError(
            f'Expected the same classes in train and {val} of {root}, but '
            f'{", ".join(differing[:5])} are in one only. Add or remove them.'
        )
    return ImageFolder(root, list(found), 'train', val, list(found.values()))


def _by_class(root: Path, least: int = 1) -> dict[str, list[str]]:
    # By name, as mmpretrain sorts; paths of Windows ignore the case.
    inside = sorted(root.iterdir(), key=lambda path: path.name)
    folders = [path for path in inside if path.is_dir()]
    found = {
        path.name: sorted(
            file.relative_to(root).as_posix()
            for file in path.rglob('*')
            if file.suffix.lower() in ENDINGS
        )
        for path in folders
    }
    if len(found) < 2:
        raise ValueError(
            f'Expected a folder for each class in {root}, but got '
            f'{len(found)}. Sort the images into at least two.'
        )
    few = [name for name, files in found.items() if len(files) < least]
    if few:
        raise ValueError(
            f'Expected at least {least} images ({", ".join(ENDINGS)}) of each '
            f'class in {root}, but got fewer of {", ".join(few[:5])}.'
        )
    return found


def split(images: ImageFolder, into: Path) -> None:
    """Split a folder without ``train``: one of five of a class validates.

    The lists are ``train.txt``, ``val.txt`` and ``classes.txt``.
    """
    lists: dict[str, list[str]] = {'train': [], 'val': []}
    for number, files in enumerate(images.files):
        drawn = random.Random(number).sample(files, len(files))
        held_out = max(1, len(files) // 5)
        lists['val'] += [f'{name} {number}' for name in drawn[:held_out]]
        lists['train'] += [f'{name} {number}' for name in drawn[held_out:]]
    lists['classes'] = images.classes
    into.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        text = '\n'.join(lines) + '\n'
        (into / f'{name}.txt').write_text(text, encoding='utf8')


def imagenet_indices(classes: list[str]) -> Optional[list[int]]:
    """Find classes among ImageNet-1k's, by name or WordNet id.

    Returns:
        Their indices; None if one isn't found, or two are the same.
    """
    known: dict[str, Optional[int]] = {}
    for number, names in enumerate(IMAGENET_CATEGORIES):
        for name in map(_plain, names.split(', ')):  # two are called crane
            known[name] = None if name in known else number
    if find_spec('timm') is not None:  # it has the WordNet ids
        from timm.data import ImageNetInfo

        info = ImageNetInfo()
        for number in range(1000):
            known[info.index_to_label_name(number)] = number
    found = [known.get(name, known.get(_plain(name))) for name in classes]
    if None in found or len(set(found)) < len(found):
        return None
    return [number for number in found if number is not None]


def _plain(name: str) -> str:
    return ''.join(filter(str.isalnum, name.lower()))
