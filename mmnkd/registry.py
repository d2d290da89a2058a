"""The OpenMMLab stack that mmnkd plugs into: is it usable; what registers."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from importlib import metadata
from importlib.util import find_spec
from typing import Any

__all__ = ['check_stack', 'construct', 'nearest_argument', 'register']

PACKAGES = ('mmengine', 'mmcv', 'mmpretrain')
INSTALL = 'pip install "mmnkd[openmmlab]"'


def register() -> None:
    """Put mmnkd's classes into mmengine's registries.

    Raises:
        ImportError: As :func:`check_stack`.
    """
    check_stack()  # before the imports below can fail with a riddle
    folders = ('backbones', 'cache', 'classifier', 'datasets', 'losses')
    for folder in folders:
        importlib.import_module(f'.{folder}', __package__)
    checkpoint = importlib.import_module('.checkpoint', __package__)
    checkpoint.allow_mmengine_checkpoints()


def check_stack() -> None:
    """Make sure that mmengine, mmcv and mmpretrain can be imported.

    Raises:
        ImportError: What is wrong, and the command that mends it.
    """
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
            raise ImportError(
                f'mmnkd needs {name}, which is installed but can not be '
                f'imported: {error}. Run: {_install_again()}'
            ) from error


def construct(kind: Callable, place: str, arguments: Mapping) -> Any:
    """Call a class with arguments from a config.

    Args:
        kind: The class, or another function that makes an object.
        place: Where the arguments are in the config, for errors.
        arguments: By name.

    Raises:
        TypeError, ValueError: Those of the class, with the place.
    """
    try:
        return kind(**arguments)
    except TypeError as error:
        near = nearest_argument(kind, error)
        raise TypeError(f'In `{place}`: {error}{near}') from error
    except ValueError as error:
        raise ValueError(f'In `{place}`: {error}') from error


def nearest_argument(kind: Any, error: TypeError) -> str:
    """Return a sentence on what an unknown argument may have been meant for.

    Args:
        kind: The class that was called.
        error: What Python raised.
    """
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown is None:
        return ''
    known = {
        name
        for parent in inspect.getmro(kind)
        if '__init__' in vars(parent)
        for name in inspect.signature(vars(parent)['__init__']).parameters
    }
    near = difflib.get_close_matches(unknown[1], known, n=1)
    return f'. Nearest: {near[0]!r}.' if near else ''


def _install_again() -> str:
    if any(_installed(f'onedl-{name}') for name in PACKAGES):
        return 'pip install --force-reinstall "mmnkd[onedl]"'
    return INSTALL


def _installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
