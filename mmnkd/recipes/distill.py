"""From the names of a student and a teacher to a config that distills."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from .folder import ImageFolder, read_image_folder, split
from .networks import Network, read_network
from .published import Published, describe, nearest
from .teachers import plan_teacher
from .text import Commented
from .writer import (
    config_text,
    data_keys,
    distilled_type,
    plain_keys,
    set_values,
)

__all__ = ['Written', 'distill']


class Written(NamedTuple):
    """Hold what :func:`distill` wrote.

    Attributes:
        config: The distillation config.
        teacher: The config of its teacher, to be trained first; None if there
            is nothing to train.
        options: What ``mmnkd train`` should get beside the config.
    """

    config: Path
    teacher: Optional[Path]
    options: list[str]


def distill(
    student: str,
    teacher: Optional[str] = None,
    *,
    out: str,
    loss: Optional[str] = None,
    teacher_checkpoint: Optional[str] = None,
    settings: Sequence[str] = (),
    data: Optional[str] = None,
    command: str = 'mmnkd distill',
) -> Written:
    """Write a config that distills a student, and make sure that it builds.

    Args:
        student: As :func:`mmnkd.recipes.read_network` knows it.
        teacher: Likewise; None for a loss without one.
        out: The file to write, a ``.py``.
        loss: A loss of ``mmnkd list losses``; None for NKD, or for tf-NKD
            without a teacher. Its values are the published ones.
        teacher_checkpoint: Path or URL; ``'none'`` for random weights; None
            for the model zoo's, or the library's.
        settings: ``'nkd.gamma=1.0'``, or ``'randomness.seed=1'``.
        data: A folder of images by class; None for the config's own data.
        command: What the file says it was written by.

    Raises:
        FileExistsError: There is something at `out` already.
        FileNotFoundError, ImportError, ValueError, TypeError: What isn't as it
            should be. Nothing is written then.
    """
    files = _Files.beside(out)
    pupil = read_network(student)
    kind = distilled_type(pupil)
    master = read_network(teacher) if teacher else None
    images = read_image_folder(data) if data else None
    chosen = loss or ('nkd' if teacher else 'tf_nkd')
    published = nearest(chosen, pupil, master)
    classes = len(images.classes) if images else pupil.classes
    if classes is None:
        raise ValueError(
            f'Expected a student whose classes are known, but {student} has '
            'no `num_classes` in its head. Give --data.'
        )
    plan = None
    if master is not None:
        plan = plan_teacher(
            master, teacher_checkpoint, classes, images, files.teacher
        )
    keys = _keys(pupil, classes, images, files)
    losses = published.model['distill_losses']
    keys['model'] |= {
        'type': kind,
        **({'teacher': plan.entry} if plan else {}),
        **published.model,
        'distill_losses': Commented(_citation(published, settings), losses),
    }
    keys = {'custom_imports': _imports(pupil), **keys}
    set_values(keys, losses, settings, pupil.config)
    title = f'{pupil.name} from {master.name}' if master else pupil.name
    texts = {
        files.config: config_text(
            f'{title} with {chosen}.', pupil, keys, files.config, command
        )
    }
    if plan and master and plan.needs_file:
        own_keys = _keys(master, classes, images, files)
        if master.checkpoint:  # all of it that fits, which the head doesn't
            own_keys['load_from'] = master.checkpoint
        texts[files.teacher] = config_text(
            f'{master.name}, to be a teacher.',
            master,
            own_keys,
            files.teacher,
            command,
        )
    _write(texts, images, files)
    trained = files.teacher if plan and plan.needs_training else None
    return Written(files.config, trained, _options(pupil))


class _Files(NamedTuple):
    """Hold the names of what may be written."""

    config: Path
    teacher: Path
    lists: Path

    @classmethod
    def beside(cls, out: str) -> _Files:
        path = Path(out).expanduser().resolve()
        if path.suffix != '.py':
            raise ValueError(
                f'Expected a file name that ends in .py, but got {out!r}.'
            )
        stem = path.stem
        files = cls(
            path,
            path.with_name(f'{stem}_teacher.py'),
            path.with_name(f'{stem}_data'),
        )
        for file in files:
            if file.exists():
                raise FileExistsError(
                    f'Expected nothing at {str(file)!r}, but there is '
                    'something. Name another --out, or remove it.'
                )
        return files


def _keys(
    network: Network,
    classes: int,
    images: Optional[ImageFolder],
    files: _Files,
) -> dict[str, Any]:
    """Return the keys of a config that trains the plain network."""
    keys = plain_keys(network, classes)
    if images is not None:
        lists = '{{ fileDirname }}/' + files.lists.name
        keys |= data_keys(network, images, None if images.train else lists)
    return keys


def _imports(network: Network) -> dict[str, Any]:
    given = network.config.get('custom_imports') or {}
    names = [*given.get('imports', ()), 'mmnkd']
    return {'imports': names, 'allow_failed_imports': False}


def _citation(published: Published, settings: Sequence[str]) -> str:
    """Say whose values these are, and how near the pair is."""
    name = f'{published.config.parent.name}/{published.config.name}'
    *about, last = describe(published.config)
    if not published.is_exact:
        last = 'Your pair is another one: a start.'
    mine = [s.partition('=')[0] for s in settings if '.' in s]
    yours = f' Yours: {", ".join(mine)}.' if mine else ''
    return f'Values of {name}: {" ".join([*about, last])}{yours}'


def _options(network: Network) -> list[str]:
    return ['--auto-scale-lr'] if 'auto_scale_lr' in network.config else []


def _write(
    texts: dict[Path, str], images: Optional[ImageFolder], files: _Files
) -> None:
    """Write files that belong together, and build the model; all or none."""
    try:
        if images is not None and not images.train:
            split(images, files.lists)
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf8')
        config = Config.fromfile(files.config)
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            MODELS.build(config.model)
    except BaseException:
        shutil.rmtree(files.lists, ignore_errors=True)
        for path in texts:
            path.unlink(missing_ok=True)
        raise
