"""DIST as a module."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from ..functional.checks import check_not_negative
from ..functional.ranks import check_scope
from .logits import TeacherLogitsLoss


@MODELS.register_module()
class DISTLoss(TeacherLogitsLoss):
    r"""Distill by correlations between classes and within them (DIST).

    See :func:`mmnkd.functional.dist_loss` for the equation.

    Args:
        temperature: :math:`\lambda`.
        beta: Weight of the relation between classes.
        gamma: Weight of the relation within a class.
        batch: Whose samples that compares under data parallelism, see
            :class:`TFNKDLoss`.
        **kwargs: See :class:`TeacherLogitsLoss`; without `sample_weight`,
            as the samples of a batch are compared with each other.

    Raises:
        ValueError, TypeError: A weight is negative, there is a
            `sample_weight`, or as :class:`TeacherLogitsLoss`.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        beta: float = 1.0,
        gamma: float = 1.0,
        batch: str = 'local',
        **kwargs: Any,
    ) -> None:
        super().__init__(temperature, **kwargs)
        if self.sample_weight is not None:
            raise ValueError(
                'Expected no `sample_weight` of DISTLoss, which compares the '
                f'samples of a batch, but got {self.sample_weight!r}.'
            )
        check_not_negative('beta', beta)
        check_not_negative('gamma', gamma)
        self.beta = beta
        check_scope(batch)
        self.gamma = gamma
        self.batch = batch

    def forward(
        self, student: Tensor, teacher: Tensor, target: Tensor
    ) -> Tensor:
        """Return the loss; `target` is not used."""
        return self.loss_weight * F.dist_loss(
            *self.prepare(student, teacher),
            temperature=self.temperature,
            beta=self.beta,
            gamma=self.gamma,
            batch=self.batch,
            reduction=self.reduction,
        )
