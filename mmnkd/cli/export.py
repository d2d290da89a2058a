"""``mmnkd export CHECKPOINT OUT``: the student alone, for plain mmpretrain."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..checkpoint import export_student

__all__ = ['main']


def main(arguments: Sequence[str]) -> None:
    """Write the student of a checkpoint as plain mmpretrain loads it.

    Args:
        arguments: What follows ``mmnkd export``.

    Raises:
        OSError, ValueError: As :func:`mmnkd.checkpoint.export_student`.
    """
    parser = argparse.ArgumentParser(
        prog='mmnkd export',
        description='Write the student of a checkpoint as plain mmpretrain '
        'loads it. Parameters of distillation losses, the state of the '
        'optimizer and the training log are left out.',
    )
    parser.add_argument('checkpoint', help='path or URL of a checkpoint')
    parser.add_argument('out', help='file to write')
    args = parser.parse_args(arguments)
    export_student(args.checkpoint, args.out)
    print(f'The student is in {args.out}')
