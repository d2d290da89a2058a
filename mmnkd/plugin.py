"""The OpenMMLab side of mmnkd: importing this file registers everything."""

from .stack import check_stack

check_stack()  # before the imports below can fail with a riddle

# ruff: noqa: E402
from . import backbones, datasets, losses  # noqa: F401
from .checkpoint import allow_mmengine_checkpoints
from .classifier import (
    DistillationMixin,
    DistilledClassifier,
    DistilledHuggingFaceClassifier,
    DistilledTimmClassifier,
)
from .losses.base import DistillLoss
from .teacher import FrozenTeacher

__all__ = [
    'DistillLoss',
    'DistillationMixin',
    'DistilledClassifier',
    'DistilledHuggingFaceClassifier',
    'DistilledTimmClassifier',
    'FrozenTeacher',
]

allow_mmengine_checkpoints()
