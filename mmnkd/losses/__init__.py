"""Distillation losses as registered modules, one file a loss."""

from .base import DistillLoss, FeatureLoss, MeasuredLoss, TeacherLogitsLoss
from .dist import DISTLoss
from .dkd import DKDLoss
from .kd import KDLoss
from .mgd import MGDLoss
from .nkd import NKDLoss
from .srrl import SRRLLoss
from .tf_nkd import TFNKDLoss
from .uskd import USKDLoss
from .vitkd import ViTKDLoss
from .wsld import WSLDLoss

__all__ = [
    'DISTLoss',
    'DKDLoss',
    'DistillLoss',
    'FeatureLoss',
    'KDLoss',
    'MGDLoss',
    'MeasuredLoss',
    'NKDLoss',
    'SRRLLoss',
    'TFNKDLoss',
    'TeacherLogitsLoss',
    'USKDLoss',
    'ViTKDLoss',
    'WSLDLoss',
]
