"""A teacher's outputs, stored once and trained on many times."""

from .reader import CachedTeacher
from .replay import ReplayedDataset, ReplayedSampler

__all__ = ['CachedTeacher', 'ReplayedDataset', 'ReplayedSampler']
