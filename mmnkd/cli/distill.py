"""``mmnkd distill STUDENT [TEACHER]``: write a config, and train by it."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence

from mmengine.logging import MMLogger
from rich.console import Console

from ..checkpoint import expect_reading_trainings
from ..recipes import distill
from . import train

__all__ = ['main']

EXAMPLES = """examples:
  mmnkd distill resnet18_8xb32_in1k resnet34_8xb32_in1k --out my.py
  mmnkd distill timm:resnet18 timm:tf_efficientnet_lite0 --data flowers --train

exit codes: 0 done, 1 an error that is told in one line, 2 wrong usage,
130 interrupted
"""


def main(arguments: Sequence[str]) -> None:
    """Write a distillation config; with ``--train``, train by it.

    Raises:
        OSError, ValueError: As :func:`distill`.
    """
    args = _parse(arguments)
    MMLogger.get_current_instance().setLevel('WARNING')  # of building models
    with Console(stderr=True).status('Reading the model zoo and the data'):
        written = distill(
            args.student,
            args.teacher,
            out=args.out,
            loss=args.loss,
            teacher_checkpoint=args.teacher_checkpoint,
            settings=args.set,
            data=args.data,
            command=shlex.join(['mmnkd', 'distill', *arguments]),
        )
    out = Console(soft_wrap=True, highlight=False)
    for path in written.files:
        out.print(f'Wrote {path}')
    if len(written.trainings) > 1:
        out.print('The teacher knows other classes. Train it first.')
        if args.train:  # the student reads the teacher's checkpoint
            expect_reading_trainings('--train with a teacher to be trained')
    for options in written.trainings:
        if args.train:
            train.main(options)
        else:
            out.print(shlex.join(['mmnkd', 'train', *options]))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='mmnkd distill',
        description='Write a config that distills a student, with published '
        'values. A network is a config, a name from the model zoo, timm:NAME '
        'or hf:NAME (a model or a folder of transformers).',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('student', help='the network to train')
    parser.add_argument(
        'teacher', nargs='?', help='the network to learn from; none: tf-NKD'
    )
    parser.add_argument('--out', help='config to write (distill_STUDENT.py)')
    parser.add_argument(
        '--loss',
        help='nkd (tf_nkd without a teacher), kd, dkd, dist …; '
        '`mmnkd list losses` has all',
    )
    parser.add_argument(
        '--teacher-checkpoint',
        metavar='FILE',
        help="its weights: a file, a URL or none (the model zoo's)",
    )
    parser.add_argument(
        '--set',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='values of your own: nkd.gamma=1.0 train_cfg.max_epochs=20',
    )
    parser.add_argument(
        '--data',
        metavar='FOLDER',
        help='images by class: train/CLASS and val/CLASS, or CLASS alone',
    )
    parser.add_argument(
        '--train', action='store_true', help='train by it at once'
    )
    args = parser.parse_args(arguments)
    if args.out is None:
        name = re.sub(r'\W+', '_', args.student.removesuffix('.py'))
        args.out = f'distill_{name.strip("_")}.py'
    return args
