"""Knowledge distillation (NKD, tf-NKD) for classifiers of MMPretrain.

``import mmnkd`` registers its classes in mmengine's registries and needs the
OpenMMLab stack. ``import mmnkd.functional`` needs torch alone: the classes are
then registered as soon as somebody imports mmpretrain.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from ._importing import is_being_imported, when_imported
from .version import __version__

if TYPE_CHECKING:
    from .plugin import (
        DistillationMixin,
        DistilledClassifier,
        DistilledHuggingFaceClassifier,
        DistilledTimmClassifier,
        DistillLoss,
        FrozenTeacher,
    )

__all__ = [
    'DistillLoss',
    'DistillationMixin',
    'DistilledClassifier',
    'DistilledHuggingFaceClassifier',
    'DistilledTimmClassifier',
    'FrozenTeacher',
    '__version__',
]


def _register() -> None:
    importlib.import_module('mmnkd.plugin')


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module('mmnkd.plugin'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


if is_being_imported('mmnkd.functional') and not sys.modules.get('mmpretrain'):
    when_imported('mmpretrain', _register)
else:
    _register()
