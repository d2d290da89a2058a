"""Builds what a training would build, and turns what fails into findings."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any, Optional, TypeVar

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.data import DataLoader

from ..classifier.dry_run import blank_image
from .cost import timed
from .finding import Finding
from .plan import pipeline_of
from .report import Report

__all__ = [
    'attempt',
    'build_loader',
    'build_model',
    'quiet',
    'random_batches',
    'take',
]

Result = TypeVar('Result')


def attempt(
    report: Report, name: str, fix: str, call: Callable[[], Result]
) -> Optional[Result]:
    """Return what a call returns, or None after an error, which is noted.

    Args:
        report: Gets the error as a finding.
        name: Of the finding.
        fix: What to do, where the error doesn't say it.
        call: A stage of the start of a training; it may raise anything.
    """
    try:
        return call()
    except Exception as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        message = ' '.join(str(text).split())
        is_ours = message.startswith(('Expected ', 'In `'))
        if not is_ours:
            message = f'{type(error).__name__}: {message}'
        report.add([Finding(name, 'error', message, '' if is_ours else fix)])
        return None


def build_model(config: Config, device: str) -> nn.Module:
    """Build the model as a Runner does, its teacher too.

    Args:
        config: A whole config; it isn't changed.
        device: Where it is put.

    Raises:
        Exception: What the model raises.
    """
    model = copy.deepcopy(config.model)
    if config.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', config.data_preprocessor)
    network = MODELS.build(model)
    network.init_weights()
    if hasattr(network, 'first_step'):
        network.first_step.is_due = False  # the doctor looks for itself
    if device == 'cpu':
        network = revert_sync_batchnorm(network)
    return network.to(device)


def build_loader(loader: Mapping[str, Any]) -> DataLoader:
    """Build a data loader that loads in this process.

    Args:
        loader: Its config; it isn't changed.

    Raises:
        Exception: What the data set raises.
    """
    alone = copy.deepcopy(dict(loader))
    alone.update(num_workers=0, persistent_workers=False)
    for key in ('prefetch_factor', 'timeout', 'multiprocessing_context'):
        alone.pop(key, None)
    return Runner.build_dataloader(alone, seed=0)


def take(loader: DataLoader, count: int) -> tuple[list, float]:
    """Return a few batches, and the seconds to load one.

    Args:
        loader: A data loader without workers.
        count: How many batches, fewer if it has no more.
    """
    stream = iter(loader)
    batches, seconds = [], []
    for _ in range(min(count, len(loader))):
        batch, spent = timed(lambda: next(stream))
        batches.append(batch)
        seconds.append(spent)
    return batches, median(seconds) if seconds else 0.0


def random_batches(
    model: nn.Module, config: Config, count: int
) -> list[dict[str, Any]]:
    """Return batches of noise, to time a training whose images are missing.

    Args:
        model: Says how many channels it takes.
        config: Says how large the images are.
        count: How many batches.
    """
    _, channels, height, width = blank_image(model).shape
    for step in pipeline_of(config.train_dataloader.dataset):
        size = step.get('crop_size') or step.get('scale')
        if isinstance(size, int):
            height = width = size
        elif isinstance(size, (tuple, list)) and len(size) == 2:
            height, width = size
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


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the stack says while networks are built to itself."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
