"""Distillation losses as pure functions of tensors: torch, nothing else.

Every loss is computed per sample in log-space, in float32 or better, and
reduced last. Nothing waits for a GPU: no boolean indexing, no ``.item()``.
"""

from .cost import classifier_cost
from .dist import dist_loss
from .dkd import dkd_loss, dkd_terms
from .entropy_weight import entropy_weight
from .hard import hard_loss
from .kd import kd_loss
from .nkd import nkd_loss, nkd_terms
from .rld import rld_loss, rld_terms
from .standardize import standardize
from .tensors import reduce_loss
from .tf_nkd import tf_nkd_loss
from .ttm import ttm_loss, wttm_loss
from .uskd import uskd_loss, uskd_terms
from .wkd import wkd_loss, wkd_terms
from .wsld import wsld_loss

__all__ = [
    'classifier_cost',
    'dist_loss',
    'dkd_loss',
    'dkd_terms',
    'entropy_weight',
    'hard_loss',
    'kd_loss',
    'nkd_loss',
    'nkd_terms',
    'reduce_loss',
    'rld_loss',
    'rld_terms',
    'standardize',
    'tf_nkd_loss',
    'ttm_loss',
    'uskd_loss',
    'uskd_terms',
    'wkd_loss',
    'wkd_terms',
    'wsld_loss',
    'wttm_loss',
]
