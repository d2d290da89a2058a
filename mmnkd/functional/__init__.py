"""Distillation losses as pure functions of tensors: torch, nothing else.

Every loss is computed per sample in log-space, in float32 or better, and
reduced last. Nothing waits for a GPU: no boolean indexing, no ``.item()``.
"""

from .closed_form import _plain_forms as _plain_forms
from .dist import dist_loss
from .dkd import dkd_loss, dkd_terms
from .kd import kd_loss
from .nkd import nkd_loss, nkd_terms
from .standardize import standardize
from .tensors import reduce_loss
from .tf_nkd import tf_nkd_loss
from .uskd import uskd_loss, uskd_terms
from .wsld import wsld_loss

__all__ = [
    'dist_loss',
    'dkd_loss',
    'dkd_terms',
    'kd_loss',
    'nkd_loss',
    'nkd_terms',
    'reduce_loss',
    'standardize',
    'tf_nkd_loss',
    'uskd_loss',
    'uskd_terms',
    'wsld_loss',
]
