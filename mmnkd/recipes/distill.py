"""From the names of a student and a teacher to a config that distills."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from ..teacher.source import beside, model_of
from .folder import ImageFolder, read_image_folder, split
from .networks import Network, read_network
from .published import Published, describe, nearest
from .teachers import TeacherPlan, plan_teacher
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
        files: The distillation config; then that of its teacher, if there is
            one.
        trainings: The arguments of each ``mmnkd train`` to run, in order.
    """

    files: list[Path]
    trainings: list[list[str]]


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
    files = _Files.beside(out)  # the rest takes seconds
    job = _Job(
        read_network(student),
        read_network(teacher) if teacher else None,
        read_image_folder(data) if data else None,
        files,
        command,
    )
    loss = loss or ('nkd' if teacher else 'tf_nkd')
    published = nearest(loss, job.student, job.teacher)
    plan = None
    if job.teacher is not None:
        plan = plan_teacher(
            job.teacher,
            teacher_checkpoint,
            job.classes,
            job.images,
            job.files.teacher,
        )
    text = job.student_text(loss, published, plan, settings)
    texts = {job.files.config: text}
    trainings = [_training(job.files.config, job.student)]
    if job.teacher is not None and plan is not None and plan.needs_file:
        texts[job.files.teacher] = job.teacher_text(job.teacher, plan)
        if plan.needs_training:
            trainings.insert(0, _training(job.files.teacher, job.teacher))
    _write(texts, job.images, job.files)
    return Written(list(texts), trainings)


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


class _Job(NamedTuple):
    """Hold all that was read, and write texts of it."""

    student: Network
    teacher: Optional[Network]
    images: Optional[ImageFolder]
    files: _Files
    command: str

    @property
    def classes(self) -> int:
        """How many the student tells apart."""
        if self.images is not None:
            return len(self.images.classes)
        if self.student.classes is None:
            raise ValueError(
                f'Expected {self.student.name} to tell its number of classes '
                '(`num_classes` of the head), but it does not. Give --data.'
            )
        return self.student.classes

    def student_text(
        self,
        loss: str,
        published: Published,
        plan: Optional[TeacherPlan],
        settings: Sequence[str],
    ) -> str:
        """Write the distillation config."""
        kind = distilled_type(self.student)
        keys = self._plain_keys(self.student, self.files.config)
        model = {'type': kind, **keys.pop('model', {})} | {'type': kind}
        if plan is not None:
            model['teacher'] = plan.entry
        losses = published.model['distill_losses']
        text = _citation(published, self.images is not None, settings)
        model |= published.model
        model['distill_losses'] = Commented(text, losses)
        imports = {'custom_imports': _imports(self.student)}
        keys = {**imports, 'model': model, **keys}
        set_values(keys, losses, settings, self.student.config)
        pair = self.student.name
        if self.teacher is not None:
            pair += f' from {self.teacher.name}'
        return config_text(
            f'{pair} with {loss}.',
            self.student,
            keys,
            self.files.config,
            self.command,
        )

    def teacher_text(self, teacher: Network, plan: TeacherPlan) -> str:
        """Write the config of a teacher for the student's data."""
        keys = self._plain_keys(teacher, self.files.teacher)
        if plan.needs_training and teacher.model:
            keys['model']['pretrained'] = True
        elif plan.needs_training and teacher.checkpoint:
            keys['load_from'] = teacher.checkpoint
        title = f'{teacher.name}, to be a teacher.'
        return config_text(
            title, teacher, keys, self.files.teacher, self.command
        )

    def _plain_keys(self, network: Network, file: Path) -> dict[str, Any]:
        """Return what a config of the plain network says."""
        keys = plain_keys(network, self.classes)
        if 'work_dir' in network.config:  # not where the base trains
            keys['work_dir'] = f'work_dirs/{file.stem}'
        if self.images is not None:
            place = '{{ fileDirname }}/' + self.files.lists.name
            lists = None if self.images.train else place
            keys |= data_keys(network, self.images, lists)
        return keys


def _imports(network: Network) -> dict[str, Any]:
    given = network.config.get('custom_imports') or {}
    names = [*given.get('imports', ()), 'mmnkd']
    return {'imports': names, 'allow_failed_imports': False}


def _citation(
    published: Published, has_own_data: bool, settings: Sequence[str]
) -> str:
    """Say whose values these are, and how near the pair is."""
    about, result = describe(published.config)
    if has_own_data or not published.is_exact:
        result = 'A start for yours.'
    names = [setting.partition('=')[0] for setting in settings]
    losses = published.model['distill_losses']
    yours = [name for name in names if name.split('.')[0] in losses]
    sentences = [
        f'Values of {published.config.parent.name}/{published.config.name}:',
        about,
        result,
        f'Set by hand: {", ".join(yours)}.' if yours else '',
    ]
    return ' '.join(filter(None, sentences))


def _training(file: Path, network: Network) -> list[str]:
    scales = 'auto_scale_lr' in network.config
    return [
        beside(str(file), Path.cwd() / file.name),
        *(['--auto-scale-lr'] if scales else []),
    ]


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
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            MODELS.build(model_of(config))
    except BaseException:
        shutil.rmtree(files.lists, ignore_errors=True)
        for path in texts:
            path.unlink(missing_ok=True)
        raise
