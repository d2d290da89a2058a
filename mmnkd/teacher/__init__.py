"""Teachers: frozen networks beside the model."""

from .ensemble import TeacherEnsemble
from .recipe import FrozenTeacher

__all__ = ['FrozenTeacher', 'TeacherEnsemble']
