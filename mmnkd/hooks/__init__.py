"""Hooks for mmengine's Runner."""

from .generators import GeneratorsHook

__all__ = ['GeneratorsHook']
