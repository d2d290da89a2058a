"""What a fused loss computes in each row of logits."""

from __future__ import annotations

from typing import NamedTuple, Optional

from torch import Tensor

__all__ = ['Rows', 'Spec']


class Spec(NamedTuple):
    r"""Describe NKD, KD and DKD in one form.

    .. math::
        L = w_t L_t + w_o D(\hat T, \hat S)

    with :math:`\hat S`, :math:`\hat T` the softmax of student and teacher at
    the temperature, over all classes but the target (over all classes where
    there is no target term).

    Attributes:
        temperature: Of :math:`\hat S` and :math:`\hat T`.
        others_weight: :math:`w_o`, with what it has of the temperature.
        entropy: Whether :math:`D` is the divergence :math:`\sum \hat T
            \log(\hat T / \hat S)`, or the cross-entropy :math:`-\sum \hat T
            \log \hat S`.
        target: The target term :math:`L_t`: 'soft_label', :math:`-T_t \log
            S_t` at temperature 1; 'binary', the divergence of :math:`(S_t, 1
            - S_t)` from :math:`(T_t, 1 - T_t)` at the temperature; or None.
        target_weight: :math:`w_t`, likewise.
    """

    temperature: float
    others_weight: float
    entropy: bool
    target: Optional[str] = None
    target_weight: float = 0.0

    @property
    def has_two_temperatures(self) -> bool:
        """Whether the target term is at 1, and the other at another."""
        return self.target == 'soft_label' and self.temperature != 1

    @classmethod
    def nkd(cls, temperature: float, gamma: float) -> Spec:
        """Return that of NKD."""
        weight = gamma * temperature**2
        return cls(temperature, weight, False, 'soft_label', 1.0)

    @classmethod
    def kd(cls, temperature: float) -> Spec:
        """Return that of KD."""
        return cls(temperature, temperature**2, True)

    @classmethod
    def dkd(cls, temperature: float, alpha: float, beta: float) -> Spec:
        """Return that of DKD."""
        squared = temperature**2
        return cls(
            temperature, beta * squared, True, 'binary', alpha * squared
        )


class Rows(NamedTuple):
    r"""Hold the results of all rows.

    Attributes:
        target_term: (N,) weighted; zeros where there is none.
        others_term: (N,) weighted.
        teacher_odds: (N, 1) :math:`\log(T_t / (1 - T_t))` at the temperature
            of the target term; zeros where there is none.
        gradient: (N, C) of the sum of both terms, times what was asked for;
            None where no gradient was.
    """

    target_term: Tensor
    others_term: Tensor
    teacher_odds: Tensor
    gradient: Optional[Tensor]
