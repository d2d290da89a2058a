"""``mmnkd train CONFIG``: train, with the options of mmpretrain's train.py.

An interrupted training goes on with the same command and ``--resume``. A
config with keys that nothing reads is refused, but for ``--allow-dead-keys``;
any other finding is silenced by its name: ``--ignore-finding class-count``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.runner import Runner

from ..diagnosis import Finding, check_config, check_data
from ..diagnosis.finding import check_names, settle
from ..diagnosis.first_step import num_classes_of
from .advice import advise
from .files import read_safely, write_whole
from .launch import build_runner, read_arguments
from .resume import choose_checkpoint, register_hooks

__all__ = ['main']

_ALLOW, _IGNORE = '--allow-dead-keys', '--ignore-finding'


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
        ours, theirs = _own_options(arguments)
        config, options = _read(theirs)
        model = config.get('model') or {}
        ignored = [*ours, *(model.get('ignore_findings') or ())]
        settle(check_config(config, options), ignored)
        choose_checkpoint(config)
        runner = build_runner(config)
        register_hooks(runner, 'resume' if config.get('resume') else 'weights')
        if runner.train_loop is not None:  # else mmengine says what lacks
            settle(_check_data(runner), ignored)
        try:
            runner.train()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f'Interrupted. Checkpoints are in {runner.work_dir}; to go on '
                'from the last one, run the same command with --resume.'
            ) from None


def _own_options(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the findings to ignore, and what mmpretrain's tool reads."""
    parser = argparse.ArgumentParser(
        'mmnkd train', add_help=False, allow_abbrev=False
    )
    parser.add_argument(
        _ALLOW, dest='names', action='append_const', const='dead-key'
    )
    parser.add_argument(_IGNORE, dest='names', action='append')
    ours, theirs = parser.parse_known_args(arguments)
    names = ours.names or []
    check_names(names)
    return names, theirs


def _check_data(runner: Runner) -> list[Finding]:
    """Look at the training data, as far as they can be counted."""
    loader = runner.train_loop.dataloader
    is_counted = hasattr(loader.dataset, '__len__')
    return check_data(
        loader.dataset,
        num_classes=num_classes_of(runner.model),
        batches=len(loader) if is_counted else None,
    )


def _read(arguments: Sequence[str]) -> tuple[Config, Collection[str]]:
    """Return the config, and the keys of the options merged into it."""
    try:
        config, args = read_arguments('train', arguments)
        return config, args.cfg_options or {}
    except SystemExit as done:
        if done.code == 0:  # after their help
            print(f'  {_ALLOW}     train whatever keys nothing reads')
            print(f'  {_IGNORE} NAME train whatever this finding says')
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
