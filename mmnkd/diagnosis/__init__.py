"""Finds what is wrong with a training before it costs time."""

from .config import find_dead_keys
from .finding import Finding

__all__ = ['Finding', 'find_dead_keys']
