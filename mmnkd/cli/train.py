"""``mmnkd train CONFIG``: train, with the options of mmpretrain's train.py.

An interrupted training goes on with the same command and ``--resume``. A
config with keys that nothing reads is refused, but for ``--allow-dead-keys``;
any other finding is silenced by its name: ``--ignore-finding class-count``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.runner import Runner

from ..diagnosis import Finding, check_config, check_data
from ..diagnosis.finding import check_names, settle
from ..diagnosis.first_step import num_classes_of
from .advice import advise
from .files import publish_if_possible, read_safely, write_whole
from .launch import build_runner, read_arguments
from .resume import bare_model, choose_checkpoint, register_hooks

__all__ = ['main']

HELP = """\
usage: mmnkd train [-h] CONFIG [options]

Train a model by a config, as mmpretrain's train.py does. Config, data and
teacher are checked first; checkpoints are written whole, and read without
running code.

options:
  --work-dir DIR           where logs and checkpoints go
  --resume [FILE]          go on from FILE, or from the newest whole checkpoint
  --cfg-options KEY=VALUE ...
                           change the config: train_cfg.max_epochs=20
  --allow-dead-keys        train whatever keys nothing reads
  --ignore-finding NAME    train whatever this finding says; may be repeated
  --amp                    mixed precision, on a GPU
  --auto-scale-lr          fit the learning rate to the actual batch size
  --no-validate            no validation during the training
  --no-pin-memory          without pinned memory in the data loaders
  --no-persistent-workers  start the loaders' workers anew each epoch
  --launcher NAME          none, pytorch, slurm or mpi, for many processes
  --local_rank N           set by torch.distributed.launch

examples:
  mmnkd train configs/demo/nkd_wide_tiny_1xb64_digits.py
  mmnkd train my.py --resume --cfg-options train_cfg.max_epochs=20

exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted
"""


def main(arguments: Sequence[str]) -> None:
    """Train a model by a config.

    From then on this process reads checkpoints by mmnkd's loader alone and
    writes local files whole, see :mod:`mmnkd.cli.files`.

    Raises:
        KeyboardInterrupt: It was interrupted; the message says how to go on.
        ValueError: The config, the data set or the first step has an error.
        Exception: What a Runner, the model and its teacher raise.
    """
    read_safely()
    write_whole()
    with advised():
        ours, theirs = _own_options(arguments)
        config, args = read_arguments('train', theirs, HELP)
        options = args.cfg_options or {}
        model = config.get('model') or {}
        ignored = [*ours, *(model.get('ignore_findings') or ())]
        settle(check_config(config, options), ignored)
        choose_checkpoint(config)
        publish_if_possible(config)
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
        '--allow-dead-keys',
        dest='names',
        action='append_const',
        const='dead-key',
    )
    parser.add_argument('--ignore-finding', dest='names', action='append')
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
        num_classes=num_classes_of(bare_model(runner)),
        batches=len(loader) if is_counted else None,
    )


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
