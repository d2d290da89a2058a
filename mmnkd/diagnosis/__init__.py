"""Finds what is wrong with a training before it costs time."""

from .batch import check_batch
from .config import check_config
from .data import check_data
from .dead_keys import find_dead_keys
from .finding import Finding
from .networks import check_networks

__all__ = [
    'Finding',
    'check_batch',
    'check_config',
    'check_data',
    'check_networks',
    'find_dead_keys',
]
