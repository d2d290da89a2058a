"""What is behind ``tools/benchmark.py``: measure, compare, write it down."""

from .measure import Plan, alternate, peak_memory

__all__ = ['Plan', 'alternate', 'peak_memory']
