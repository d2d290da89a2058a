"""``mmnkd train CONFIG``: train, with the options of mmpretrain's train.py.

An interrupted training goes on with the same command and ``--resume``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .files import read_safely, write_whole
from .launch import build_runner, read_arguments
from .resume import choose_checkpoint, register_hooks

__all__ = ['main']


def main(arguments: Sequence[str]) -> None:
    """Train a model by a config.

    Args:
        arguments: What follows ``mmnkd train``.

    Raises:
        KeyboardInterrupt: It was interrupted; the message says how to go on.
        Exception: What a Runner, the model and its teacher raise.
    """
    read_safely()
    write_whole()
    config, _ = read_arguments('train', arguments)
    choose_checkpoint(config)
    runner = build_runner(config)
    register_hooks(runner, 'resume' if config.get('resume') else 'weights')
    try:
        runner.train()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f'Interrupted. Checkpoints are in {runner.work_dir}; to go on '
            'from the last one, run the same command with --resume.'
        ) from None
