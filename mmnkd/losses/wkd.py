"""WKD-L as a module."""

from __future__ import annotations

import os
from typing import Any, Optional, Union

import torch
from mmengine.registry import MODELS
from torch import Tensor

from .. import functional as F
from ..checkpoint import check_file, read_checkpoint
from ..functional.checks import check_not_negative, check_positive
from ..functional.cost import check_cost
from ..functional.wkd import check_iterations
from .logits import TeacherLogitsLoss
from .schedule import Schedule, WeightSchedule


@MODELS.register_module()
class WKDLoss(TeacherLogitsLoss):
    r"""Distill by the cost of moving probability between classes (WKD-L).

    See :func:`mmnkd.functional.wkd_loss` for the equation. Its authors have
    :math:`\gamma` = 30 at :math:`\lambda` = 2 for ResNet-34 → ResNet-18, and
    25 at 2 for ResNet-50 → MobileNetV1, which falls to 0 as a cosine
    (``gamma_schedule=dict(type='CosineAnnealingLR', T_max=100)``).

    Args:
        temperature: :math:`\lambda`.
        gamma: Weight of the transport.
        cost: A number, the cost between any two classes; ``'classifier'``, of
            the weights of the teacher's linear classifier; or a file
            (.safetensors) with a (C, C) tensor `cost`, which is read when
            training starts.
        sharpen: :math:`\kappa` of :func:`mmnkd.functional.classifier_cost`.
        teacher_head: The teacher's linear classifier, for
            ``cost='classifier'``.
        regularization: :math:`\eta`.
        iterations: Number of Sinkhorn's steps.
        gamma_schedule: Factor of `gamma` over epochs or iterations, written
            as `weight_schedule`; `gamma` is logged then.
        **kwargs: See :class:`TeacherLogitsLoss`.

    Raises:
        ValueError, TypeError: A setting is out of range, the cost is none of
            these, or as :class:`TeacherLogitsLoss`.
    """

    def __init__(
        self,
        temperature: float,
        gamma: float,
        cost: Union[float, str, os.PathLike],
        *,
        sharpen: float = 0.0,
        teacher_head: str = 'head.fc',
        regularization: float = 0.05,
        iterations: int = 10,
        gamma_schedule: Schedule = None,
        **kwargs: Any,
    ) -> None:
        if cost == 'classifier':
            taps = ('logits', f'{teacher_head}.weight')
            kwargs.setdefault('teacher_taps', taps)
        super().__init__(temperature, **kwargs)
        check_not_negative('gamma', gamma)
        check_not_negative('sharpen', sharpen)
        check_positive('regularization', regularization)
        check_iterations(iterations)
        _check_kind(cost, regularization)
        self.gamma = gamma
        self.cost = cost
        self.sharpen = sharpen
        self.regularization = regularization
        self.iterations = iterations
        self.gamma_schedule = WeightSchedule.of(gamma_schedule)
        self._matrix: Optional[Tensor] = None  # of a file

    def rows(
        self, student: Tensor, teacher: Any, target: Tensor
    ) -> dict[str, Tensor]:
        """Return the two terms, logged as `target` and `transport`."""
        cost = self._cost(teacher, student.device)
        logits = teacher[0] if isinstance(teacher, tuple) else teacher
        gamma = self.gamma
        if self.gamma_schedule is not None:
            gamma *= self.gamma_schedule.factor()
            self.logged['gamma'] = torch.tensor(gamma)
        terms = F.wkd_terms(
            *self.prepare(student, logits),
            target,
            temperature=self.temperature,
            gamma=gamma,
            cost=cost,
            regularization=self.regularization,
            iterations=self.iterations,
        )
        return dict(zip(('target', 'transport'), terms))

    def _cost(
        self, teacher: Any, device: torch.device
    ) -> Union[float, Tensor]:
        if isinstance(self.cost, (int, float)):
            return self.cost
        if self.cost == 'classifier':
            return F.classifier_cost(teacher[1], sharpen=self.sharpen)
        if self._matrix is None:
            self._matrix = _read(self.cost, self.regularization)
        self._matrix = self._matrix.to(device)
        return self._matrix


def _check_kind(cost: Any, regularization: float) -> None:
    """Expect a number, 'classifier' or the name of a file."""
    if isinstance(cost, (int, float)):
        check_cost(cost, regularization, classes=2)
    elif cost != 'classifier' and not (
        isinstance(cost, (str, os.PathLike))
        and os.fspath(cost).endswith('.safetensors')
    ):
        raise ValueError(
            "Expected `cost` to be a number, 'classifier' or a .safetensors "
            f'file, but got {cost!r}.'
        )


def _read(name: Union[str, os.PathLike], regularization: float) -> Tensor:
    """Read a cost from a file."""
    name = os.fspath(name)
    check_file('file with a cost', name)
    try:
        cost = read_checkpoint(name)['cost']
        check_cost(cost, regularization, classes=len(cost))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'Expected {name!r} to have a (C, C) tensor `cost`, as '
            "safetensors.torch.save_file({'cost': ...}) writes it, but got: "
            f'{error}'
        ) from error
    return cost
