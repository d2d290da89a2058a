"""The command line: options, and what is checked before time is spent."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Optional

import torch

from . import networks
from .losses import check_dtype
from .plot import check_matplotlib
from .progress import check_rich
from .step import read_student

__all__ = ['parse']

SHAPES = [(256, 1000), (128, 21841)]
MODELS = ['resnet34', 'resnet50', 'mobilenetv2', 'swin-tiny']
SIZES = {
    'batch': [32, 64, 128, 256, 512, 1024],
    'classes': [10, 100, 1000, 10000, 21841],
    'image-size': [96, 128, 160, 192, 224],
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message}\n')


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read and check the command line.

    Args:
        arguments: What follows the program's name; None: those of this
            process.

    Raises:
        SystemExit: With one line, if anything is wrong.
    """
    parser = _Parser(description='Compare speed and memory in one process.')
    commands = parser.add_subparsers(dest='command', required=True)
    for add in (_add_losses, _add_teacher, _add_step, _add_report):
        add(commands)
    args = parser.parse_args(arguments)
    try:
        _check(args)
    except (ImportError, OSError, ValueError) as error:
        commands.choices[args.command].error(str(error))
    return args


def _add_losses(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser('losses', help='losses on logits')
    parser.add_argument(
        '--shapes',
        nargs='+',
        type=_shape,
        help='batch and classes (default: 256x1000 128x21841)',
    )
    parser.add_argument(
        '--dtype',
        choices=['float32', 'bfloat16', 'float16'],
        default='float32',
        help='of the logits (default: float32)',
    )
    _add_common(parser, ['batch', 'classes'], rounds=50)


def _add_teacher(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser('teacher', help="a teacher's forward pass")
    parser.add_argument(
        '--models',
        nargs='+',
        help='configs, names of the model zoo, or '
        f'{", ".join(networks.SHORT_NAMES)} (default: all but resnet18)',
    )
    parser.add_argument(
        '--compile', action='store_true', help='torch.compile as well'
    )
    _add_images(parser)
    _add_common(parser, ['image-size'], rounds=20)


def _add_step(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser('step', help='a whole training step')
    parser.add_argument(
        '--student',
        default='resnet18',
        help='like --models of teacher (default: resnet18)',
    )
    parser.add_argument(
        '--teacher', default='resnet34', help='the same (default: resnet34)'
    )
    _add_images(parser)
    _add_common(parser, ['image-size'], rounds=20)


def _add_report(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser('report', help='tables and plots of results')
    parser.add_argument('results', nargs='+', type=Path, help='JSON files')
    parser.add_argument(
        '--page',
        type=Path,
        help='put the table of NAME.json between <!-- begin: NAME --> and '
        '<!-- end: NAME --> of this page, in place of printing it',
    )
    _add_plot(parser)


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--batch', type=_positive, default=8, help='images (default: 8)'
    )
    parser.add_argument(
        '--image-size',
        type=_positive,
        default=224,
        help='their height and width (default: 224)',
    )


def _add_common(
    parser: argparse.ArgumentParser, sweeps: list[str], rounds: int
) -> None:
    parser.add_argument(
        '--device',
        choices=['cpu', 'cuda'],
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='default: cuda where there is one',
    )
    parser.add_argument(
        '--threads', type=_positive, default=1, help='of a CPU (default: 1)'
    )
    parser.add_argument(
        '--rounds', type=_positive, default=rounds, help=f'default: {rounds}'
    )
    parser.add_argument(
        '--warmup', type=_positive, default=3, help='rounds (default: 3)'
    )
    parser.add_argument('--sweep', choices=sweeps, help='what to vary')
    parser.add_argument(
        '--sizes', nargs='+', type=_positive, help='the values of the sweep'
    )
    parser.add_argument('--json', type=Path, help='file for all numbers')
    _add_plot(parser)


def _add_plot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--plot', type=Path, help='.png or .svg to write')


def _check(args: argparse.Namespace) -> None:
    _check_outputs(args)
    if args.command == 'report':
        _check_report(args)
        return
    check_rich()
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda, but torch sees no GPU here')
    _check_sweep(args)
    if args.command == 'losses':
        check_dtype(getattr(torch, args.dtype), torch.device(args.device))
    elif args.command == 'teacher':
        for name in args.models:
            networks.count_classes(name, args.sizes or [args.image_size])
    else:
        _check_step(args)


def _check_step(args: argparse.Namespace) -> None:
    read_student(args.student)
    sizes = args.sizes or [args.image_size]
    names = [args.student, args.teacher]
    classes = [networks.count_classes(name, sizes) for name in names]
    if classes[0] != classes[1]:
        raise ValueError(
            f'--student and --teacher have {classes[0]} and {classes[1]} '
            'classes; they must have the same'
        )


def _check_outputs(args: argparse.Namespace) -> None:
    for path in (args.plot, getattr(args, 'json', None)):
        if path is not None and not path.parent.is_dir():
            raise ValueError(f'there is no folder {path.parent} for {path}')
    if args.plot is not None:
        if args.plot.suffix not in ('.png', '.svg'):
            raise ValueError(f'--plot writes .png or .svg, not {args.plot}')
        check_matplotlib()


def _check_report(args: argparse.Namespace) -> None:
    if args.plot is not None and len(args.results) > 1:
        raise ValueError('--plot takes one result at a time')
    if args.page is not None and not args.page.is_file():
        raise ValueError(f'there is no page {args.page}')


def _check_sweep(args: argparse.Namespace) -> None:
    """Fill in what depends on whether it is a sweep."""
    if args.sizes and not args.sweep:
        raise ValueError('--sizes are those of a --sweep, but there is none')
    if args.sweep:
        args.sizes = args.sizes or SIZES[args.sweep]
    for name, default in (('shapes', SHAPES), ('models', MODELS)):
        if name not in args:
            continue
        given = getattr(args, name)
        if args.sweep and given and len(given) > 1:
            raise ValueError(f'--sweep takes one of --{name}')
        if not given:
            setattr(args, name, default[:1] if args.sweep else default)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f'expected a whole number > 0, but got {text!r}'
        )
    return int(text)


def _shape(text: str) -> tuple[int, int]:
    batch, _, classes = text.partition('x')
    if not (batch.isdecimal() and classes.isdecimal()) or (
        int(batch) < 1 or int(classes) < 2
    ):
        raise argparse.ArgumentTypeError(
            'expected batch and classes, at least 1x2, like 256x1000, but '
            f'got {text!r}'
        )
    return int(batch), int(classes)
