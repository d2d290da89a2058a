"""Data sets that mmpretrain lacks, or reads in one way only."""

from .cifar100 import LocalCIFAR100
from .digits import Digits

__all__ = ['Digits', 'LocalCIFAR100']
