"""Teachers: frozen networks beside the model, and how they run fast."""

from .ensemble import TeacherEnsemble
from .frozen import FrozenTeacher

__all__ = ['FrozenTeacher', 'TeacherEnsemble']
