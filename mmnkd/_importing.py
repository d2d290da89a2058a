"""Who is importing mmnkd, and when to register its classes.

Python runs ``mmnkd/__init__.py`` for ``import mmnkd.functional`` too, which is
for users of plain PyTorch: OpenMMLab must neither be needed nor be imported.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Callable, Optional, Sequence


def is_being_imported(name: str) -> bool:
    """Tell whether an import of the module `name` is under way.

    Read off the frames of Python's import system; where they aren't to be
    seen (another interpreter), the answer is False.
    """
    frame: Optional[FrameType] = sys._getframe()
    while frame is not None:
        if (
            frame.f_globals.get('__name__') == 'importlib._bootstrap'
            and frame.f_locals.get('name') == name
        ):
            return True
        frame = frame.f_back
    return False


def when_imported(name: str, action: Callable[[], None]) -> None:
    """Call `action` once the module `name` has been imported."""
    sys.meta_path.insert(0, _Watcher(name, action))


class _Watcher(importlib.abc.MetaPathFinder):
    """Let the other finders find the module, and follow its execution.

    What goes wrong in the action is a warning: who imports the other module
    may not want the classes.
    """

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self.name = name
        self.action = action

    def find_spec(
        self,
        fullname: str,
        path: Optional[Sequence[str]] = None,
        target: Optional[ModuleType] = None,
    ) -> Optional[ModuleSpec]:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            try:
                self.action()
            except ImportError as error:
                warnings.warn(str(error), stacklevel=2)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
