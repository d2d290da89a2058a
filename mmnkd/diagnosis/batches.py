"""Batches of a config's data: read, preprocessed, timed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple, Optional

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

from ..classifier.dry_run import blank_image
from ..teacher.source import training_size

__all__ = [
    'Batches',
    'build_loader',
    'preprocessed',
    'random_batches',
    'take',
    'timed',
]


class Batches(NamedTuple):
    """What a data loader puts out.

    Attributes:
        real: A few batches, none where the data can't be read.
        seconds: To load one.
        total: How many it has in all.
    """

    real: list[dict[str, Any]] = []
    seconds: float = 0.0
    total: int = 0


def build_loader(loader: Mapping[str, Any]) -> DataLoader:
    """Build a data loader, of its config, that loads in this process."""
    alone = copy.deepcopy(dict(loader))
    alone.update(num_workers=0, persistent_workers=False)
    for key in ('prefetch_factor', 'timeout', 'multiprocessing_context'):
        alone.pop(key, None)
    return Runner.build_dataloader(alone, seed=0)


def take(loader: DataLoader, count: int) -> Batches:
    """Return `count` batches, or fewer, of a loader without workers."""
    stream = iter(loader)
    batches, seconds = [], []
    for _ in range(min(count, len(loader))):
        batch, spent = timed(lambda: next(stream))
        batches.append(batch)
        seconds.append(spent)
    spent = median(seconds) if seconds else 0.0
    return Batches(batches, spent, len(loader))


def random_batches(
    model: Any, config: Config, val: Batches, count: int
) -> list[dict[str, Any]]:
    """Return batches of noise, to time a training whose images are missing.

    Images of `val`, if there are any, say how large they are; else `config`.
    """
    _, channels, height, width = blank_image(model).shape
    height, width = training_size(config) or (height, width)
    if val.real:
        images = preprocessed(model, val.real[0], training=False)['inputs']
        _, channels, height, width = images.shape
    generator = torch.Generator().manual_seed(0)
    shape = (config.train_dataloader.batch_size, channels, height, width)
    return [
        {
            'inputs': torch.randint(
                256, shape, dtype=torch.uint8, generator=generator
            ),
            'data_samples': [
                DataSample().set_gt_label(k % 2) for k in range(shape[0])
            ],
        }
        for _ in range(count)
    ]


def preprocessed(
    model: Any, batch: Mapping[str, Any], training: bool = True
) -> dict[str, Any]:
    """Return a batch as the student gets it; the one given isn't changed."""
    return model.data_preprocessor(copy.deepcopy(batch), training)


def timed(
    call: Callable[[], Any], device: Optional[torch.device] = None
) -> tuple[Any, float]:
    """Return what a call on a device returns, and the seconds it took."""
    on_gpu = device is not None and device.type == 'cuda'
    if on_gpu:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    result = call()
    if on_gpu:
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start
