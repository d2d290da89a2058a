"""``mmnkd cache CONFIG --out DIR``: store the teacher's outputs.

It runs the teacher over all views of a training once, and writes
``DIR/cached.py``, a config that trains from them. After an interrupt the same
command goes on; under torchrun the ranks share the work.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_world_size, init_dist, is_main_process
from mmengine.logging import print_log
from mmengine.registry import FUNCTIONS, init_default_scope
from mmpretrain.registry import MODELS
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..cache import CachedTeacher, ReplayedDataset, ReplayedSampler
from ..cache.checks import check_only_logits, check_unmixed, targets
from ..cache.config import cached_config
from ..cache.rows import Rows
from ..cache.store import Manifest, library_versions
from ..cache.writer import BlockBatches, StoreWriter

__all__ = ['logits_and_classes', 'main']


def main(arguments: Sequence[str]) -> None:
    """Store the outputs of a config's teacher, or teachers.

    Args:
        arguments: What follows ``mmnkd cache``.

    Raises:
        OSError, ValueError: The config can't be cached, or the folder can't
            be written.
    """
    args = _parse(arguments)
    _join_ranks(args.launcher)
    config = Config.fromfile(args.config)
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    epochs = _epochs(config, args)
    dataset = _replayed(config.train_dataloader, args.seed)
    model = _model(config)
    model.data_preprocessor.to(args.device)
    several = hasattr(model.teacher, 'teachers')
    teachers = model.teacher.teachers if several else [model.teacher]
    live = {
        number: teacher
        for number, teacher in enumerate(teachers)
        if not isinstance(teacher, CachedTeacher)
    }
    _check_live(live.values())
    out = Path(args.out)
    weights = {
        number: _store(
            config.train_dataloader,
            dataset,
            model.data_preprocessor,
            teacher,
            out / str(number) if several else out,
            epochs,
            args.topk,
        )
        for number, teacher in live.items()
    }
    if is_main_process():
        replay = {'seed': args.seed} if args.seed else {}
        if args.wrap:
            replay['epochs'] = epochs
        is_live = config.train_dataloader.dataset.type != 'ReplayedDataset'
        text = cached_config(
            Path(args.config),
            out,
            config.model.teacher,
            weights,
            command=shlex.join(['mmnkd', 'cache', *arguments]),
            replay=replay if is_live else None,
        )
        (out / 'cached.py').write_text(text, encoding='utf8')
        print_log(f'Train by: mmnkd train {out / "cached.py"}', 'current')
    barrier()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='mmnkd cache',
        description="Store a teacher's outputs for all views of a training, "
        'and write OUT/cached.py, which trains from them. Interrupted, the '
        'same command goes on after the last whole block.',
    )
    parser.add_argument('config', help='a distilled config')
    parser.add_argument('--out', required=True, help='folder of the store')
    parser.add_argument(
        '--epochs', type=int, help="views of each sample (the training's)"
    )
    parser.add_argument(
        '--wrap',
        action='store_true',
        help='let a longer training see the views again',
    )
    parser.add_argument(
        '--topk', type=int, help='logits to keep of each view (all)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the views (0)')
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu'
    )
    parser.add_argument(
        '--launcher', choices=('none', 'pytorch', 'slurm'), default='none'
    )
    return parser.parse_args(arguments)


def _join_ranks(launcher: str) -> None:
    if launcher == 'none':
        return
    if torch.cuda.is_available():
        init_dist(launcher)
    elif launcher == 'pytorch':  # mmengine would pick a GPU
        torch.distributed.init_process_group('gloo')
    else:
        raise ValueError(
            f'Expected GPUs for --launcher {launcher}, but torch sees none. '
            'Use torchrun and --launcher pytorch on CPUs.'
        )


def _epochs(config: Config, args: argparse.Namespace) -> int:
    """Return how many epochs to store; refuse to store too few."""
    needed = config.get('train_cfg', {}).get('max_epochs')
    epochs = args.epochs or needed
    if not epochs or epochs < 1:
        raise ValueError(
            'Expected --epochs, the count of passes over the data, as the '
            "config's `train_cfg` has no `max_epochs`."
        )
    if needed and epochs < needed and not args.wrap:
        raise ValueError(
            f'Expected at least {needed} epochs, which the training has, but '
            f'got {epochs}. Add --wrap to see the same views again after '
            f'{epochs} epochs, or leave out --epochs.'
        )
    return epochs


def _replayed(loader: Any, seed: int) -> ReplayedDataset:
    """Return the training's data set, with replay; check its sampler."""
    dataset = loader['dataset']
    sampler = loader['sampler']
    if dataset.get('type') == 'ReplayedDataset':
        dataset = {k: v for k, v in dataset.items() if k != 'type'}
        sampler = sampler.get('sampler', sampler)
    else:
        dataset = {'dataset': dataset, 'seed': seed}
    replayed = ReplayedDataset(**dataset)
    replayed.full_init()
    ReplayedSampler(sampler, dataset=replayed, seed=0)
    return replayed


def _model(config: Config) -> Any:
    """Return the model, whose teacher can be stored."""
    if config.get('data_preprocessor') is not None:
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
    model = MODELS.build(config.model)
    if getattr(model, 'teacher', None) is None:
        raise ValueError(
            'Expected a distilled model with a `teacher`, but '
            f'{type(model).__name__} has none to store.'
        )
    check_unmixed(model.data_preprocessor)
    check_only_logits(model.distill_losses.teacher_taps)
    return model


def _check_live(teachers: Collection[Any]) -> None:
    if not teachers:
        raise ValueError(
            'Expected a live teacher, but what the config has is stored.'
        )
    for teacher in teachers:
        if teacher.mode != 'eval':
            raise ValueError(
                "Expected a teacher in mode 'eval', but got "
                f'{teacher.mode!r}, whose outputs depend on the whole batch.'
            )


def _store(
    loader: Any,
    dataset: ReplayedDataset,
    preprocessor: nn.Module,
    teacher: Any,
    folder: Path,
    epochs: int,
    topk: Optional[int],
) -> str:
    """Store one teacher's outputs, and return the hash of its weights."""
    teacher.build(preprocessor)
    answer = partial(logits_and_classes, preprocessor, teacher)
    collate = _collate(loader.get('collate_fn', {'type': 'pseudo_collate'}))
    probe = [(0, k % len(dataset)) for k in range(loader['batch_size'])]
    batch, seconds_load = _timed(lambda: collate([dataset[v] for v in probe]))
    logits, _ = answer(batch)
    _, seconds_run = _timed(lambda: answer(batch)[0].sum().item())
    views = dict(part.split('=') for part in dataset.replay.split())
    views.pop('wrap', None)
    classes = logits.shape[1]
    if topk is not None and not 1 <= topk < classes:
        raise ValueError(
            f'Expected --topk from 1 to {classes - 1}, fewer than the classes,'
            f' but got {topk}. Leave it out to store all.'
        )
    manifest = Manifest(
        teacher=teacher.fingerprint(),
        views=views,
        classes=classes,
        topk=topk,
        epochs=epochs,
        block_size=Rows(classes, topk).block_size,
        versions=library_versions(),
    )
    with StoreWriter(folder, manifest) as writer:
        blocks = writer.missing()
        own = writer.own(blocks)
        batches = BlockBatches(own, manifest, loader['batch_size'])
        workers = loader.get('num_workers', 0)
        seconds = seconds_run + seconds_load
        if workers:
            cores = min(workers, os.cpu_count() or 1)
            seconds = max(seconds_run, seconds_load / cores)
        _announce(folder, manifest, len(blocks), seconds * len(batches))
        stream = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=loader.get('pin_memory', False),
        )

        def rows(batch: dict) -> Tensor:
            return manifest.rows.pack(*answer(batch))

        start = time.perf_counter()
        with _progress() as progress:
            total = sum(len(manifest.indices(block)) for block in own)
            bar = progress.add_task('', total=total, rate=0.0, size=0.0)
            (task,) = progress.tasks

            def done(count: int) -> None:
                progress.advance(bar, count)
                rate = task.completed / (time.perf_counter() - start)
                size = task.completed * manifest.rows.bytes / 1e6
                progress.update(bar, rate=rate, size=size)

            writer.write(blocks, stream, rows, done)
    return manifest.teacher['weights']


def logits_and_classes(
    preprocessor: nn.Module, teacher: Any, batch: dict
) -> tuple[Tensor, Optional[Tensor]]:
    """Return a batch's (N, C) logits and (N,) classes.

    Args:
        preprocessor: The student's.
        teacher: A built teacher.
        batch: What a data loader puts out.
    """
    with torch.no_grad():
        data = preprocessor(batch, True)
        logits = teacher(data['inputs'])['logits']
    return logits, targets(data['data_samples'])


def _collate(config: Any) -> Callable[[list], Any]:
    arguments = dict(config)
    return partial(FUNCTIONS.get(arguments.pop('type')), **arguments)


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def _announce(
    folder: Path, manifest: Manifest, missing: int, seconds: float
) -> None:
    """Say what will be written, and about how long that takes."""
    views = manifest.epochs * manifest.count
    total = manifest.epochs * manifest.blocks_an_epoch
    kept = manifest.topk or manifest.classes
    print_log(
        f'{folder}: {manifest.epochs} epochs of {manifest.count} views, '
        f'{kept} of {manifest.classes} logits each, '
        f'{manifest.rows.bytes} bytes a view, '
        f'{views * manifest.rows.bytes / 1e6:.1f} MB in all. '
        f'{total - missing} of {total} blocks are there; the rest takes about '
        f'{math.ceil(seconds)} s on {get_world_size()} rank(s).',
        'current',
    )


def _progress() -> Progress:
    return Progress(
        BarColumn(),
        TextColumn('{task.completed:.0f}/{task.total:.0f} views'),
        TextColumn('{task.fields[rate]:.0f} views/s'),
        TextColumn('{task.fields[size]:.1f} MB'),
        TimeRemainingColumn(),
        disable=not is_main_process(),
    )
