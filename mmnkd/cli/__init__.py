"""The command ``mmnkd``: a file a subcommand, each with a `main`.

A new subcommand is a file with ``main(arguments)``, those after its name, and
a line in `COMMANDS`. ``list`` is in catalog.py, as a module of its name would
hide the built-in.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Optional

from torch import distributed

__all__ = ['COMMANDS', 'main']

COMMANDS = {
    'train': 'train a model by a config',
    'distill': 'write a config that distills, from the names of two networks',
    'test': 'test a checkpoint by a config',
    'cache': "store the teacher's outputs, to train on them many times",
    'compare': 'compare trainings: a table, and a page with charts',
    'doctor': 'look at a training before it costs time',
    'export': 'write the student of a checkpoint alone: .pth, .onnx',
    'benchmark': 'measure the speed of losses, teachers and training steps',
    'list': 'the losses, configs and data sets that there are',
    'show': 'print a shipped config, to copy',
    'demo': 'distill on real images in a few minutes',
}

# Warnings that a user can't mend: mmengine imports pkg_resources, mmpretrain's
# configs pin memory.
OF_THE_STACK = (
    'pkg_resources is deprecated',
    "'pin_memory' argument is set as true but no accelerator",
)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a subcommand.

    Args:
        arguments: What follows ``mmnkd``; None for this process's own.

    Returns:
        The exit code: the command's own or 0, 1 after an error that is told
        in one line, 130 after an interrupt.

    Raises:
        SystemExit: After ``--help``, or with code 2 for wrong usage.
        Exception: An error that the user's files and options don't explain.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = _command(given)
    module = 'catalog' if name == 'list' else name
    command = importlib.import_module(f'.{module}', __package__)
    try:
        with warnings.catch_warnings():
            for message in OF_THE_STACK:
                warnings.filterwarnings('ignore', message)
            code = command.main(given[1:])
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or 'Interrupted.', file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_explained(error):
            raise
        text = error.args[0] if isinstance(error, KeyError) else error
        notes = getattr(error, '__notes__', ())  # of Python 3.11
        print(
            f'mmnkd {name}: {" ".join([str(text), *notes])}', file=sys.stderr
        )
        return 1
    if distributed.is_available() and distributed.is_initialized():
        # Else its threads may outlive Python's end, which is an abort.
        distributed.destroy_process_group()
    return code or 0


def _command(given: Sequence[str]) -> str:
    """Return the name of a subcommand; end with help or the nearest name."""
    parser = _parser()
    if not given:
        parser.exit(2, parser.format_help())
    name = given[0]
    if name not in COMMANDS and not name.startswith('-'):
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        told = f' Did you mean: mmnkd {near[0]}?' if near else ''
        parser.exit(
            2,
            f'mmnkd: Expected a command, but got {name!r}.{told} mmnkd --help '
            'lists them.\n',
        )
    return parser.parse_args(given[:1]).command


def _parser() -> argparse.ArgumentParser:
    from .. import __version__

    parser = argparse.ArgumentParser(
        prog='mmnkd',
        description='Distill image classifiers of MMPretrain.',
        epilog='mmnkd COMMAND --help tells more.',
    )
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(
        dest='command', metavar='COMMAND', required=True
    )
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text)
    return parser


def _is_explained(error: Exception) -> bool:
    """Tell whether one line is enough: what the user gave is at fault.

    All else keeps its traceback: a bug, or an error in the user's code.
    """
    text = str(error)
    if not text or '\n' in text or isinstance(error, AssertionError):
        return False
    if isinstance(error, (ImportError, OSError)):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    origin = frame.f_globals.get('__name__', '')
    return origin.startswith(('mmnkd.', 'mmengine.config', 'mmengine.regis'))
