"""The OpenMMLab stack that mmnkd plugs into: is it usable; what registers."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ('mmengine', 'mmcv', 'mmpretrain')
FOLDERS = (
    'backbones',
    'cache',
    'classifier',
    'datasets',
    'heads',
    'hooks',
    'losses',
    'metrics',
)
INSTALL = 'pip install "mmnkd[openmmlab]"'


def register() -> None:
    """Put mmnkd's classes into mmengine's registries."""
    with quiet_in_command():
        check_stack()  # before the imports below can fail with a riddle
        for folder in FOLDERS:
            importlib.import_module(f'.{folder}', __package__)
        checkpoint = importlib.import_module('.checkpoint', __package__)
        checkpoint.allow_mmengine_checkpoints()


@contextlib.contextmanager
def quiet_in_command() -> Iterator[None]:
    """Drop what the stack says at import, in the command ``mmnkd`` alone."""
    program = Path(sys.argv[0])
    is_command = program.stem == 'mmnkd' or (
        program.parts[-2:] == ('mmnkd', '__main__.py')
    )
    if program.name == '-m':  # while the package of a module is imported
        is_command = 'mmnkd' in getattr(sys, 'orig_argv', ())
    if not is_command:
        yield
        return
    aside = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), aside:
        warnings.simplefilter('ignore')
        yield


def check_stack() -> None:
    """Make sure that mmengine, mmcv and mmpretrain can be imported."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'mmnkd needs {", ".join(PACKAGES)}, but {", ".join(missing)} '
            f'can not be found. Run: {INSTALL} (or, for the stack that is '
            'maintained by OneDL: pip install "mmnkd[onedl]"). The losses '
            'alone need torch only: import mmnkd.functional'
        )
    both = [
        name
        for name in PACKAGES
        if _installed(f'onedl-{name}')
        and (_installed(name) or _installed(f'{name}-lite'))
    ]
    if both:
        raise ImportError(
            f'Two distributions of {", ".join(both)} are installed, '
            "OpenMMLab's and OneDL's, and have overwritten each other's files."
            ' Run: pip uninstall -y mmengine mmcv mmcv-lite mmpretrain '
            f'onedl-mmengine onedl-mmcv onedl-mmpretrain && {INSTALL}'
        )
    if _installed('mmengine') and find_spec('pkg_resources') is None:
        raise ImportError(
            'mmengine needs pkg_resources to read `mmpretrain::` configs, and '
            'setuptools 82 removed it. Run: pip install "setuptools<82"'
        )
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except (ImportError, AssertionError) as error:
            again = INSTALL
            if any(_installed(f'onedl-{name}') for name in PACKAGES):
                names = ' '.join(f'onedl-{name}' for name in PACKAGES)
                again = f'pip install --force-reinstall --no-deps {names}'
            raise ImportError(
                f'mmnkd needs {name}, which is installed but can not be '
                f'imported: {error}. Run: {again}'
            ) from error


def require(extra: str, who: str, *packages: str) -> None:
    """Expect the packages of an extra, which somebody needs."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'{who} needs {", ".join(missing)}. Run: '
            f'pip install "mmnkd[{extra}]"'
        )


def construct(kind: Callable, place: str, arguments: Mapping) -> Any:
    """Call a class with arguments from a config; name the place in errors."""
    try:
        return kind(**arguments)
    except TypeError as error:
        near = nearest_argument(kind, error)
        raise TypeError(f'In `{place}`: {error}{near}') from error
    except ValueError as error:
        raise ValueError(f'In `{place}`: {error}') from error


def nearest_argument(kind: Any, error: TypeError) -> str:
    """Say what an unknown argument of a class may have been meant for."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown is None:
        return ''
    near = difflib.get_close_matches(unknown[1], arguments_of(kind), n=1)
    return f'. Nearest: {near[0]!r}.' if near else ''


def arguments_of(kind: Any) -> set[str]:
    """Return the names of the arguments of a class and of its parents."""
    return {
        name
        for parent in inspect.getmro(kind)
        if '__init__' in vars(parent)
        for name in inspect.signature(vars(parent)['__init__']).parameters
    }


def _installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
