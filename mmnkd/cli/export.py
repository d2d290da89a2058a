"""``mmnkd export CHECKPOINT OUT``: the student alone, for other programs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from ..export import export_student

__all__ = ['main']

_EPILOG = """\
examples:
  mmnkd export work_dirs/nkd/epoch_100.pth student.pth
  mmnkd export epoch_100.pth student.onnx --config configs/nkd/my_student.py

exit codes: 0 the file is written; 1 it isn't, and a line says why; 2 the
command is not understood.
"""


def main(arguments: Sequence[str]) -> None:
    """Write the student of a checkpoint, and say what was written.

    Raises:
        ImportError, OSError, ValueError: As
            :func:`mmnkd.export.export_student`.
    """
    args = _parser().parse_args(arguments)
    from rich.console import Console

    console = Console()
    with console.status(f'Writing {args.out}'):
        told = export_student(
            args.checkpoint,
            args.out,
            args.config,
            ema=args.ema,
            image_size=args.image_size,
        )
    for line in _report(args.out, told):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='mmnkd export',
        description='Write the student of a checkpoint as plain mmpretrain '
        '(.pth), other programs (.safetensors) or any runtime (.onnx) load '
        'it. Checkpoints of mmnkd, mmpretrain, cls_KD and MMRazor are read. '
        'Left out is what only the training needs.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='path or URL of a checkpoint')
    parser.add_argument(
        'out', help='file to write, .pth, .safetensors or .onnx'
    )
    parser.add_argument(
        '--config',
        help='config of the student or of its training; the weights must fit '
        'it strictly. An .onnx needs it',
    )
    parser.add_argument(
        '--no-ema',
        dest='ema',
        action='store_false',
        help='of a training with EMA, take the weights before averaging',
    )
    parser.add_argument(
        '--image-size',
        type=_image_size,
        metavar='SIZE',
        help='of the .onnx: 224, or HEIGHTxWIDTH (default: that of the '
        "CenterCrop in the config's test data)",
    )
    return parser


def _image_size(text: str) -> tuple[int, int]:
    sides = re.fullmatch(r'([1-9]\d*)(?:x([1-9]\d*))?', text)
    if sides is None:
        raise argparse.ArgumentTypeError(
            f'expected 224 or 224x192, but got {text!r}'
        )
    return int(sides[1]), int(sides[2] or sides[1])


def _report(out: str, told: dict[str, Any]) -> list[str]:
    lines = [
        f'The student is in {out}: {told["tensors"]} tensors of a checkpoint '
        f'of {told["origin"]}.'
    ]
    if told['classes'] is None:
        lines.append('The checkpoint has no names of classes.')
    if 'differences' in told:
        height, width = told['image_size']
        differences = ', '.join(
            f'{value:.1e} at batch {size}'
            for size, value in told['differences'].items()
        )
        lines.append(
            f'Images of {height}x{width}. onnxruntime against PyTorch, '
            f'largest difference of a logit: {differences}; largest logit: '
            f'{told["largest_logit"]:.1f}.'
        )
    return lines
