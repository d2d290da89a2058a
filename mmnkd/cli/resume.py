"""What ``mmnkd train --resume`` goes on from: the newest whole checkpoint."""

from __future__ import annotations

import logging
import math
import re
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Optional

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from ..checkpoint import (
    allow_mmengine_checkpoints,
    expect_reading_trainings,
    load_strictly,
)
from ..download import check_archive
from ..hooks import GeneratorsHook

__all__ = ['LoadedHook', 'choose_checkpoint', 'register_hooks']


class _Found(NamedTuple):
    """A file of a training, ordered by how far it got, then by content."""

    iteration: float
    has_optimizer: bool
    epoch: int
    path: Path


def choose_checkpoint(config: Config) -> None:
    """Let a training that resumes by itself load its newest whole file.

    Args:
        config: With ``work_dir``, ``resume`` and ``load_from`` merged; the
            last is set, or ``resume`` to False where there is no file.

    Raises:
        ValueError: There are checkpoints, and none is whole, or torch is too
            old to read any.
    """
    if not config.get('resume'):
        return
    expect_reading_trainings('--resume')
    if config.get('load_from') is not None:
        return
    folder = _folder(config)
    if folder is None:  # on a server; mmengine looks there
        return
    for part in folder.glob('.*.pth.part'):  # what a kill inside a write left
        part.unlink(missing_ok=True)
    broken: dict[Path, str] = {}
    paths = sorted(folder.glob('*.pth'))
    found = [_look(path, broken) for path in paths]
    for file in sorted(filter(None, found), reverse=True):
        try:
            check_archive(file.path)
        except Exception as error:  # of any kind, as in _look
            broken[file.path] = f'{type(error).__name__}: {error}'
            continue
        config.load_from = str(file.path)
        _tell(file, broken)
        return
    if broken:
        raise ValueError(
            f'Expected a whole checkpoint in {folder}, but none of '
            f'{[path.name for path in broken]} is one. To start from the '
            'beginning, leave out --resume.'
        )
    print_log(f'Nothing to resume in {folder}: starting anew.', 'current')
    config.resume = False  # or mmengine follows the file `last_checkpoint`


def _folder(config: Config) -> Optional[Path]:
    """Return where the CheckpointHook writes."""
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    parent = hook.get('out_dir')
    if parent is None:
        return Path(config.work_dir)
    if '://' in str(parent):
        return None
    return Path(parent) / Path(config.work_dir).name


def _look(path: Path, broken: dict[Path, str]) -> Optional[_Found]:
    """Read how far a file got, without its tensors."""
    allow_mmengine_checkpoints()
    try:
        check_archive(path, parts=False)
        content = torch.load(path, 'cpu', weights_only=True, mmap=True)
        if 'message_hub' not in content:
            return None  # weights alone, as `mmnkd export` writes them
        meta = content['meta']
        return _Found(
            meta['iter'], 'optimizer' in content, meta['epoch'], path
        )
    except PermissionError:  # it may be whole
        raise
    except Exception as error:  # of any kind, as files are
        broken[path] = f'{type(error).__name__}: {error}'
        return None


def _tell(file: _Found, broken: dict[Path, str]) -> None:
    for path, reason in broken.items():
        print_log(
            f'{path.name} is not whole: {" ".join(reason.split())[:200]}',
            'current',
            logging.WARNING,
        )
    print_log(
        f'Resuming from {file.path}, the newest whole checkpoint: epoch '
        f'{file.epoch}, iteration {file.iteration}.',
        'current',
    )
    if not file.has_optimizer:
        print_log(
            f'{file.path.name} has no state of the optimizer, which starts '
            'anew. Name another checkpoint by --resume FILE if you prefer it.',
            'current',
            logging.WARNING,
        )


def register_hooks(runner: Runner, wants: str) -> None:
    """Let a training check what it loads (`wants`), and save generators."""
    runner.register_hook(LoadedHook(wants, str(runner.cfg.get('load_from'))))
    runner.register_hook(GeneratorsHook())


class LoadedHook(Hook):
    """Expect what was loaded to fit; catch up where a file holds less.

    Args:
        wants: What the file is loaded for: 'resume', 'test', or 'weights' to
            start a training from, which may fit in part.
        source: The file, for messages.
    """

    priority = 'VERY_HIGH'

    def __init__(self, wants: str, source: str) -> None:
        self.wants = wants
        self.source = source
        self._lacks_schedulers = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Compare the file with the model.

        Raises:
            ValueError: It doesn't fit.
        """
        model = bare_model(runner)
        weights = checkpoint
        if 'state_dict' in checkpoint:
            weights = checkpoint['state_dict']
        if self.wants == 'weights':
            _expect_some(model, weights, self.source)
            return
        if self.wants == 'test':
            known = model.state_dict()
            weights = {
                name: value
                for name, value in weights.items()
                if name in known or not name.startswith('distill_losses.')
            }
        else:
            self._expect_training(checkpoint)
        load_strictly(model, weights, self.source)

    def before_train(self, runner: Runner) -> None:
        """Bring learning rates to where the training is."""
        if not self._lacks_schedulers or runner.param_schedulers is None:
            return
        schedulers = runner.param_schedulers
        if isinstance(schedulers, dict):
            schedulers = list(chain(*schedulers.values()))
        length = math.ceil(runner.iter / max(runner.epoch, 1))
        for step in range(1, runner.iter + 1):
            for scheduler in schedulers:
                if not scheduler.by_epoch or step % length == 0:
                    scheduler.step()

    def _expect_training(self, checkpoint: Any) -> None:
        meta = checkpoint.get('meta')
        keys = {'epoch', 'iter'}
        if 'message_hub' not in checkpoint or not keys <= set(meta or ()):
            raise ValueError(
                f'Expected {self.source!r} to be a checkpoint of a training, '
                f'but it has {sorted(checkpoint)[:8]} alone. To start from '
                'its weights: --cfg-options load_from=FILE, without --resume.'
            )
        self._lacks_schedulers = 'param_schedulers' not in checkpoint


def bare_model(runner: Runner) -> Any:
    """Return the model without what data parallelism or TTA puts around."""
    model = runner.model
    if is_model_wrapper(model):
        model = model.module
    return model.module if isinstance(model, BaseTTAModel) else model


def _expect_some(model: Any, weights: Any, source: str) -> None:
    known = model.state_dict()
    shapes = {
        re.sub(r'^module\.', '', str(name)): getattr(value, 'shape', None)
        for name, value in weights.items()
    }
    if not any(
        name in known and known[name].shape == shape
        for name, shape in shapes.items()
    ):
        raise ValueError(
            f'Expected weights of {type(model).__name__} in {source!r}, but '
            f'none of the {len(shapes)} fits: {sorted(shapes)[:3]}. Is it the '
            'checkpoint of another model?'
        )
