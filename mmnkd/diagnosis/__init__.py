"""Finds what is wrong with a training before it costs time."""

from .config import find_dead_keys

__all__ = ['find_dead_keys']
