"""Heads of students that have a second one for the teacher."""

from .two_heads import (
    TwoHeadedDeiTHead,
    TwoHeadedEfficientFormerHead,
    TwoHeadedLeViTHead,
)

__all__ = [
    'TwoHeadedDeiTHead',
    'TwoHeadedEfficientFormerHead',
    'TwoHeadedLeViTHead',
]
