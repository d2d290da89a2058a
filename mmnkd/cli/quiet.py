"""Keeps what the stack says of itself at import out of the command's output.

It needs the standard library alone, as it runs before anything is imported.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ['quiet_in_command']


@contextlib.contextmanager
def quiet_in_command() -> Iterator[None]:
    """Drop warnings and prints, if this process is the command ``mmnkd``.

    In all other processes nothing is changed.
    """
    if not _is_command():
        yield
        return
    aside = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), aside:
        warnings.simplefilter('ignore')
        yield


def _is_command() -> bool:
    """Tell whether it is ``mmnkd``, ``python -m mmnkd`` or a worker of it."""
    program = Path(sys.argv[0])
    if program.name == '-m':  # while the package of a module is imported
        return 'mmnkd' in getattr(sys, 'orig_argv', ())
    is_main = program.parts[-2:] == ('mmnkd', '__main__.py')
    return program.stem == 'mmnkd' or is_main
