"""``mmnkd train CONFIG``: train, with the options of mmpretrain's train.py.

An interrupted training goes on with the same command and ``--resume``. A
config with keys that nothing reads is refused, but for ``--allow-dead-keys``.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config

from ..diagnosis import check_config, check_data
from ..diagnosis.finding import settle
from ..diagnosis.first_step import num_classes_of
from .advice import advise
from .files import read_safely, write_whole
from .launch import build_runner, read_arguments
from .resume import choose_checkpoint, register_hooks

__all__ = ['main']

_ALLOW = '--allow-dead-keys'


def main(arguments: Sequence[str]) -> None:
    """Train a model by a config.

    From then on this process reads checkpoints by mmnkd's loader alone and
    writes local files whole, see :mod:`mmnkd.cli.files`.

    Args:
        arguments: What follows ``mmnkd train``.

    Raises:
        KeyboardInterrupt: It was interrupted; the message says how to go on.
        ValueError: The config, the data set or the first step has an error.
        Exception: What a Runner, the model and its teacher raise.
    """
    read_safely()
    write_whole()
    with advised():
        config, options = _read(arguments)
        ignored = _ignored(config, allow_dead_keys=_ALLOW in arguments)
        settle(check_config(config, options), ignored)
        choose_checkpoint(config)
        runner = build_runner(config)
        register_hooks(runner, 'resume' if config.get('resume') else 'weights')
        loader = runner.train_loop.dataloader
        found = check_data(
            loader.dataset,
            num_classes=num_classes_of(runner.model),
            batches=len(loader)
            if hasattr(loader.dataset, '__len__')
            else None,
        )
        settle(found, ignored)
        try:
            runner.train()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f'Interrupted. Checkpoints are in {runner.work_dir}; to go on '
                'from the last one, run the same command with --resume.'
            ) from None


def _read(arguments: Sequence[str]) -> tuple[Config, Collection[str]]:
    """Return the config, and the keys of the options merged into it."""
    try:
        theirs = [word for word in arguments if word != _ALLOW]
        config, args = read_arguments('train', theirs)
        return config, args.cfg_options or {}
    except SystemExit as done:
        if done.code == 0:  # after their help
            print(f'  {_ALLOW}     train whatever keys nothing reads')
        raise


@contextmanager
def advised() -> Iterator[None]:
    """Add a line to an error of the stack that doesn't say what to do."""
    try:
        yield
    except Exception as error:
        advice = advise(error)
        if advice and hasattr(error, 'add_note'):
            error.add_note(advice)
        elif advice:  # before Python 3.11
            print(advice, file=sys.stderr)
        raise


def _ignored(config: Config, *, allow_dead_keys: bool) -> list[Any]:
    """Return the names of findings that the user doesn't want."""
    model = config.get('model') or {}
    ignored = [*(model.get('ignore_findings') or ())]
    return [*ignored, 'dead-key'] if allow_dead_keys else ignored
