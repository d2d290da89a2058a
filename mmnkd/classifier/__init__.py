"""Classifiers that are distilled while they train, and plain otherwise."""

from .classifiers import (
    DistilledClassifier,
    DistilledHuggingFaceClassifier,
    DistilledTimmClassifier,
)
from .mixin import DistillationMixin

__all__ = [
    'DistillationMixin',
    'DistilledClassifier',
    'DistilledHuggingFaceClassifier',
    'DistilledTimmClassifier',
]
