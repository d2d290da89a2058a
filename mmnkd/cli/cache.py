"""``mmnkd cache CONFIG --out DIR``: store the teacher's outputs.

It runs the teacher over all views of a training once, and writes
``DIR/cached.py``, a config that trains from them. After an interrupt the same
command goes on; under torchrun the ranks share the work.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_world_size, init_dist, is_main_process
from mmengine.logging import print_log
from mmengine.registry import FUNCTIONS, init_default_scope
from mmpretrain.registry import MODELS
from rich.progress import Progress
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..cache import CachedTeacher, ReplayedDataset, ReplayedSampler
from ..cache.config import cached_config
from ..cache.reader import check_only_logits, check_unmixed
from ..cache.rows import Rows
from ..cache.store import Store, library_versions, own
from ..cache.writer import batches_of, write_blocks, writing
from ..functional.tensors import target_of
from ..teacher.source import check_inheritable, model_of, read_config
from .launch import join_on_cpu

__all__ = ['logits_and_classes', 'main']


def main(arguments: Sequence[str]) -> None:
    """Store the outputs of a config's teacher, or teachers."""
    args = _parse(arguments)
    if args.launcher != 'none':
        join = init_dist if torch.cuda.is_available() else join_on_cpu
        join(args.launcher)
    config = read_config(args.config)
    check_inheritable(config.filename, 'cached.py')
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    epochs = _epochs(config, args)
    replay = {} if args.seed is None else {'seed': args.seed}
    if args.wrap:
        replay['epochs'] = epochs
    dataset = _replayed(config.train_dataloader, replay)
    model = _model(config)
    preprocessor = model.data_preprocessor.to(args.device)
    out = Path(args.out).expanduser()
    weights = {}
    for number, (folder, teacher) in _live_teachers(model, out).items():
        teacher.build(preprocessor)
        weights[number] = teacher.fingerprint()['weights']
        answer = partial(logits_and_classes, preprocessor, teacher)
        loader = config.train_dataloader
        classes, seconds = _try_batch(loader, dataset, answer)
        _check_topk(args.topk, classes)
        views = json.loads(dataset.replay)
        views.pop('wrap', None)
        store = Store(
            folder=folder,
            teacher=teacher.fingerprint(),
            views=views,
            classes=classes,
            topk=args.topk,
            epochs=epochs,
            block_size=Rows(classes, args.topk).block_size,
            versions=library_versions(),
        )
        with writing(store) as store:
            _write(store, loader, dataset, answer, seconds)
    if is_main_process():
        text = cached_config(config, out, weights, replay)
        command = shlex.join(['mmnkd', 'cache', *arguments])
        path = out / 'cached.py'
        path.write_text(f'# Written by: {command}\n{text}', encoding='utf8')
        print_log(f'Train by: mmnkd train {path}', 'current')
    barrier()


def logits_and_classes(
    preprocessor: nn.Module, teacher: Any, batch: dict
) -> tuple[Tensor, Optional[Tensor]]:
    """Return a batch's (N, C) logits and its target.

    Args:
        preprocessor: The student's.
        teacher: A built teacher.
        batch: What a data loader puts out.
    """
    with torch.no_grad():
        data = preprocessor(batch, True)
        logits = teacher(data['inputs'])['logits']
    return logits, target_of(data['data_samples'])


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='mmnkd cache',
        description="Store a teacher's outputs for all views of a training, "
        'and write OUT/cached.py, which trains from them. Interrupted, the '
        'same command goes on after the last whole block.',
        epilog='examples:\n  mmnkd cache my.py --out store\n'
        '  mmnkd cache my.py --out store --epochs 30 --wrap --topk 50\n\n'
        'exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('config', help='a distilled config')
    add('--out', required=True, help='folder of the store')
    add('--epochs', type=int, help="views of each sample (the training's)")
    add(
        '--wrap',
        action='store_true',
        help='let a longer training see the views again',
    )
    add('--topk', type=int, help='logits to keep of each view (all)')
    add('--seed', type=int, help="of the views (the config's, or 0)")
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    add('--device', default=device)
    add('--launcher', choices=('none', 'pytorch', 'slurm'), default='none')
    return parser.parse_args(arguments)


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


def _replayed(loader: Any, replay: dict[str, int]) -> ReplayedDataset:
    """Return the training's data set, with replay; check its sampler."""
    dataset, sampler = loader['dataset'], loader['sampler']
    if dataset.get('type') == 'ReplayedDataset':
        dataset = {k: v for k, v in dataset.items() if k != 'type'}
        sampler = sampler.get('sampler', sampler)
    else:
        dataset = {'dataset': dataset}
    replayed = ReplayedDataset(**{**dataset, **replay})
    replayed.full_init()
    ReplayedSampler(sampler, dataset=replayed, seed=0)
    return replayed


def _model(config: Config) -> Any:
    """Return the model, whose teacher can be stored."""
    model = MODELS.build(model_of(config))
    if getattr(model, 'teacher', None) is None:
        raise ValueError(
            'Expected a distilled model with a `teacher`, but '
            f'{type(model).__name__} has none to store.'
        )
    check_unmixed(model.data_preprocessor)
    check_only_logits(model.distill_losses.teacher_taps)
    return model


def _live_teachers(model: Any, out: Path) -> dict[int, tuple[Path, Any]]:
    """Return by number the teachers to store, and where to."""
    several = getattr(model.teacher, 'teachers', None)
    live = {
        number: (out / str(number) if several else out, teacher)
        for number, teacher in enumerate(several or [model.teacher])
        if not isinstance(teacher, CachedTeacher)
    }
    if not live:
        raise ValueError(
            'Expected a live teacher, but what the config has is stored.'
        )
    for _, teacher in live.values():
        if teacher.mode != 'eval':
            raise ValueError(
                "Expected a teacher in mode 'eval', but got "
                f'{teacher.mode!r}, whose outputs depend on the whole batch.'
            )
    return live


def _check_topk(topk: Optional[int], classes: int) -> None:
    if topk is not None and not 1 <= topk < classes:
        raise ValueError(
            f'Expected --topk from 1 to {classes - 1}, fewer than the classes,'
            f' but got {topk}. Leave it out to store all.'
        )


def _collate(loader: Any) -> Callable[[list], Any]:
    options = dict(loader.get('collate_fn', {'type': 'pseudo_collate'}))
    return partial(FUNCTIONS.get(options.pop('type')), **options)


def _try_batch(
    loader: Any, dataset: ReplayedDataset, answer: Callable
) -> tuple[int, float]:
    """Return the count of classes, and about the seconds of a batch."""
    workers = min(loader.get('num_workers', 0), os.cpu_count() or 1)
    start = time.perf_counter()
    views = [dataset[0, k % len(dataset)] for k in range(loader['batch_size'])]
    batch = _collate(loader)(views)
    loading = time.perf_counter() - start
    answer(batch)  # a first batch takes longer
    start = time.perf_counter()
    logits, _ = answer(batch)
    logits.sum().item()  # waits for a GPU
    running = time.perf_counter() - start
    seconds = max(loading / workers, running) if workers else loading + running
    return logits.shape[1], seconds


def _write(
    store: Store,
    loader: Any,
    dataset: ReplayedDataset,
    answer: Callable,
    seconds: float,
) -> None:
    """Write what a store lacks; `seconds` is what a batch takes."""
    size = loader['batch_size']
    blocks = own(store.missing)
    views = sum(len(store.views_of(block)[1]) for block in blocks)
    whole = store.epochs * store.count
    print_log(
        f'{store.folder}: {store.epochs} epochs of {store.count} views, '
        f'{store.topk or store.classes} of {store.classes} logits each, '
        f'{store.rows.bytes} bytes a view, '
        f'{whole * store.rows.bytes / 1e6:.1f} MB in all. '
        f'{len(store.checksums)} of {len(store.blocks)} blocks are there; '
        f'the rest takes about {math.ceil(views / size * seconds)} s on '
        f'{get_world_size()} rank(s).',
        'current',
    )
    stream = DataLoader(
        dataset,
        batch_sampler=batches_of(store, blocks, size),
        num_workers=loader.get('num_workers', 0),
        collate_fn=_collate(loader),
        pin_memory=loader.get('pin_memory', False),
    )
    with Progress(disable=not is_main_process()) as progress:
        bar = progress.add_task('views', total=views)

        def rows(batch: dict) -> Tensor:
            packed = store.rows.pack(*answer(batch))
            progress.advance(bar, len(packed))
            return packed

        write_blocks(store, stream, rows)
