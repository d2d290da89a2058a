"""Distillation losses as registered modules, one file a loss."""

from .base import DistillLoss, FeatureLoss, MeasuredLoss
from .dist import DISTLoss
from .dkd import DKDLoss
from .feature_cosine import FeatureCosineLoss
from .hard import HardLabelLoss
from .kd import KDLoss
from .logits import RowLoss, TeacherLogitsLoss
from .mgd import MGDLoss
from .nkd import NKDLoss
from .rld import RLDLoss
from .srrl import SRRLLoss
from .tf_nkd import TFNKDLoss
from .ttm import TTMLoss, WTTMLoss
from .uskd import USKDLoss
from .vitkd import ViTKDLoss
from .wkd import WKDLoss
from .wsld import WSLDLoss

__all__ = [
    'DISTLoss',
    'DKDLoss',
    'DistillLoss',
    'FeatureCosineLoss',
    'FeatureLoss',
    'HardLabelLoss',
    'KDLoss',
    'MGDLoss',
    'MeasuredLoss',
    'NKDLoss',
    'RLDLoss',
    'RowLoss',
    'SRRLLoss',
    'TFNKDLoss',
    'TTMLoss',
    'TeacherLogitsLoss',
    'USKDLoss',
    'ViTKDLoss',
    'WKDLoss',
    'WSLDLoss',
    'WTTMLoss',
]
