"""Writes the student of a checkpoint alone: for mmpretrain, timm, ONNX."""

from .student import Student, export_student, read_student

__all__ = ['Student', 'export_student', 'read_student']
