"""Metrics of fidelity, for ``val_evaluator`` and ``test_evaluator``."""

from .agreement import StudentTeacherAgreement, fidelity
from .calibration import CalibrationError

__all__ = ['CalibrationError', 'StudentTeacherAgreement', 'fidelity']
