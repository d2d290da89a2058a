"""``mmnkd test CONFIG CHECKPOINT``: with the options of mmpretrain's test.py.

A distilled config needs no teacher file here.
"""

from __future__ import annotations

from collections.abc import Sequence

import mmengine
from mmengine.evaluator import DumpResults

from .files import read_safely
from .launch import build_runner, read_arguments
from .resume import LoadedHook

__all__ = ['main']


def main(arguments: Sequence[str]) -> None:
    """Test a checkpoint by a config.

    From then on this process reads checkpoints by mmnkd's loader alone, see
    :func:`mmnkd.cli.files.read_safely`.

    Args:
        arguments: What follows ``mmnkd test``.

    Raises:
        ValueError: ``--out-item`` is given without ``--out``.
        Exception: What a Runner raises.
    """
    read_safely()
    config, args = read_arguments('test', arguments)
    if args.out_item is not None and args.out is None:
        raise ValueError(
            'Expected --out FILE with --out-item, but got none. Name the file '
            f'for the {args.out_item}.'
        )
    runner = build_runner(config)
    runner.register_hook(LoadedHook('test', args.checkpoint))
    if args.out and args.out_item != 'metrics':
        dump = DumpResults(out_file_path=args.out)
        runner.test_evaluator.metrics.append(dump)
    metrics = runner.test()
    if args.out and args.out_item == 'metrics':
        mmengine.dump(metrics, args.out)
