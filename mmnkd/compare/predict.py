"""The networks of runs, asked for every image of the validation data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable, Optional

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from ..checkpoint import load_strictly
from ..export import read_student
from ..taps import as_logits
from ..teacher import make_teacher
from ..teacher.arguments import expect_live
from ..teacher.source import read_source
from .runs import Run

__all__ = ['Network', 'find_teacher', 'open_student', 'teach']

Answer = Callable[[Tensor], Tensor]  # (N, C) logits of (N, channels, H, W)


@dataclass
class Network:
    """Hold a network with the images that it is asked for.

    Attributes:
        answer: Returns logits of preprocessed images.
        model: The student's model, whose preprocessor prepares the images.
        loader: The validation data of its config.
        classes: The names of the classes.
    """

    answer: Answer
    model: BaseModel
    loader: DataLoader
    classes: Optional[list[str]]

    @torch.no_grad()
    def predictions(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield log-probabilities (N, C) and targets (N,), batch by batch."""
        for batch in self.loader:
            batch = self.model.data_preprocessor(batch)
            logits = self.answer(batch['inputs']).float()
            target = torch.cat([s.gt_label for s in batch['data_samples']])
            if len(target) != len(logits):
                raise ValueError(
                    'Expected one label for each image, but got '
                    f'{len(target)} for {len(logits)}. Leave out '
                    '--checkpoints.'
                )
            yield logits.log_softmax(dim=1).cpu(), target.cpu()


def open_student(run: Run, device: str, images: Optional[int]) -> Network:
    """Build a run's student with its last checkpoint, and its data.

    Of the images so many are taken, evenly spaced; None for all.
    """
    if run.config_file is None:
        raise FileNotFoundError(
            f'Expected */vis_data/config.py in {str(run.folder)!r}, which '
            'mmengine writes, but there is none. Leave out --checkpoints.'
        )
    path = str(run.checkpoint())
    student = read_student(path)
    model = MODELS.build(read_source(run.config_file).config)
    load_strictly(model, student.weights, path)
    model = model.to(device).eval()
    loader, known = _loader(Config.fromfile(run.config_file), images)
    return Network(
        lambda x: as_logits(model(x), model, '', 'logits_tap'),
        model,
        loader,
        student.classes or known,
    )


def find_teacher(run: Run) -> Any:
    """Return the `teacher` of a run's config, None where it has none."""
    if run.config_file is None:
        return None
    config = Config.fromfile(run.config_file, import_custom_modules=False)
    return (config.get('model') or {}).get('teacher')


def teach(student: Network, teacher: Any) -> Network:
    """Let a student's teacher answer, in eval mode, for the same images."""
    is_one = isinstance(teacher, dict)
    teachers = [{**one, 'mode': 'eval'} for one in expect_live(teacher)]
    built = make_teacher(teachers[0] if is_one else teachers)
    built.build(student.model.data_preprocessor, ['logits'])
    return Network(
        lambda images: built(images, ['logits'])['logits'],
        student.model,
        student.loader,
        student.classes,
    )


def _loader(
    config: Config, images: Optional[int]
) -> tuple[DataLoader, Optional[list[str]]]:
    """Return the validation data, and the names of its classes."""
    settings = config.get('val_dataloader') or config.get('test_dataloader')
    if settings is None:
        raise ValueError(
            'Expected a `val_dataloader` in the config, but there is none. '
            'Leave out --checkpoints.'
        )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(settings['dataset'])
        known = getattr(dataset, 'metainfo', {}).get('classes')
        known = known and list(map(str, known))
        if images is not None and images < len(dataset):
            chosen = [i * len(dataset) // images for i in range(images)]
            dataset = Subset(dataset, chosen)
        loader = Runner.build_dataloader(
            {
                **settings,
                'dataset': dataset,
                'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            }
        )
    return loader, known
