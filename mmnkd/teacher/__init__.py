"""Teachers: frozen networks beside the model."""

from .ensemble import TeacherEnsemble, make_teacher
from .recipe import FrozenTeacher

__all__ = ['FrozenTeacher', 'TeacherEnsemble', 'make_teacher']
