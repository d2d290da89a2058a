"""Knowledge distillation (NKD, tf-NKD) for classifiers of MMPretrain.

Where mmpretrain is installed, any import of mmnkd registers its classes in
mmengine's registries. Elsewhere :mod:`mmnkd.functional`, which needs torch
alone, is all there is, and the name of a class says what to install.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .registry import check_stack, register

if TYPE_CHECKING:
    from .classifier import (
        DistillationMixin,
        DistilledClassifier,
        DistilledHuggingFaceClassifier,
        DistilledTimmClassifier,
    )
    from .losses import DistillLoss
    from .teacher import FrozenTeacher

__all__ = [
    'DistillLoss',
    'DistillationMixin',
    'DistilledClassifier',
    'DistilledHuggingFaceClassifier',
    'DistilledTimmClassifier',
    'FrozenTeacher',
    '__version__',
]

__version__ = '0.1.0'

_HOMES = {
    'DistillLoss': '.losses',
    'DistillationMixin': '.classifier',
    'DistilledClassifier': '.classifier',
    'DistilledHuggingFaceClassifier': '.classifier',
    'DistilledTimmClassifier': '.classifier',
    'FrozenTeacher': '.teacher',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    check_stack()
    return getattr(import_module(_HOMES[name], __name__), name)


if find_spec('mmpretrain') is not None:
    register()
