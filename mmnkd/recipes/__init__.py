"""Writes a distillation config from the names of two networks."""

from .distill import Written, distill
from .networks import Network, read_network

__all__ = ['Network', 'Written', 'distill', 'read_network']
