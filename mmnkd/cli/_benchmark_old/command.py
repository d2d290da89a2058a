"""What ``tools/benchmark.py`` does: measure, print, write."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Callable, Optional

import torch
from mmengine.logging import MMLogger

from .environment import environment
from .losses import measure_losses
from .measure import Plan
from .options import parse
from .plot import plot
from .progress import progress
from .report import insert, table
from .results import Group, Result, read, write
from .step import measure_step
from .teacher import measure_teacher

__all__ = ['main']

Job = Callable[[Plan], Group]


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the tool.

    Args:
        arguments: What follows the program's name; None: those of this
            process.

    Raises:
        SystemExit: With one line, if the arguments are wrong.
    """
    with _quiet():
        args = parse(arguments)
    if args.command == 'report':
        _report(args)
        return
    torch.set_num_threads(args.threads)
    with _quiet():
        result = _measure(args)
    print(table(result))
    if args.json:
        write(result, args.json)
    if args.plot:
        plot(result, args.plot)


def _measure(args: argparse.Namespace) -> Result:
    make_jobs = {'losses': _losses, 'teacher': _teacher, 'step': _step}
    jobs = make_jobs[args.command](args)
    sizes = args.sizes or [None] * len(jobs)
    device = torch.device(args.device)
    with progress(len(jobs) * (args.warmup + args.rounds)) as after_round:
        plan = Plan(device, args.rounds, args.warmup, after_round)
        groups = [job(plan) for job in jobs]
    for group, size in zip(groups, sizes):
        group.size = size
    files = ('command', 'json', 'plot')
    settings = {k: v for k, v in vars(args).items() if k not in files}
    return Result(args.command, settings, environment(device), groups)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what mmengine logs of each network that is built to itself."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _losses(args: argparse.Namespace) -> list[Job]:
    shapes = args.shapes
    if args.sweep == 'batch':
        shapes = [(size, shapes[0][1]) for size in args.sizes]
    elif args.sweep == 'classes':
        shapes = [(shapes[0][0], size) for size in args.sizes]
    dtype = getattr(torch, args.dtype)

    def job(batch: int, classes: int) -> Job:
        return lambda plan: measure_losses(classes, batch, dtype, plan)

    return [job(*shape) for shape in shapes]


def _teacher(args: argparse.Namespace) -> list[Job]:
    def job(model: str, size: int) -> Job:
        return lambda plan: measure_teacher(
            model, args.batch, size, args.compile, plan
        )

    sizes = args.sizes or [args.image_size]
    return [job(model, size) for model in args.models for size in sizes]


def _step(args: argparse.Namespace) -> list[Job]:
    def job(size: int) -> Job:
        return lambda plan: measure_step(
            args.student, args.teacher, args.batch, size, plan
        )

    return [job(size) for size in args.sizes or [args.image_size]]


def _report(args: argparse.Namespace) -> None:
    try:
        results = {path: read(path) for path in args.results}
        for path, result in results.items():
            if args.page:
                insert(args.page, path.stem, table(result))
            elif not args.plot:
                print(table(result))
            if args.plot:
                plot(result, args.plot)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
