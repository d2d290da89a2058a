"""What a diagnosis finds, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ['Finding']


@dataclass(frozen=True)
class Finding:
    """Something about a training that its user should know.

    Attributes:
        name: Short and stable, as in ``ignore_findings=['class-order']``.
        level: Whether it won't train right (error) or may not (warning).
        message: What was expected and what came, with the numbers.
        fix: What to do.
    """

    name: str
    level: Literal['error', 'warning']
    message: str
    fix: str

    def __str__(self) -> str:
        return f'[{self.name}] {self.message} {self.fix}'
