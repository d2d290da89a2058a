"""Compares trainings: by their logs, and by their checkpoints."""

from .comparison import Comparison, compare, write_page

__all__ = ['Comparison', 'compare', 'write_page']
