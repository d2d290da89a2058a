"""Losses on logits: weights of samples, temperature, standardized logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

from torch import Tensor

from ..functional import entropy_weight, standardize
from ..functional.checks import check_flag, check_positive
from .base import DistillLoss


class RowLoss(DistillLoss):
    """Compare logits with the teacher's, each sample for itself.

    A subclass has :meth:`rows`.

    Args:
        sample_weight: Multiplies each sample's loss:
            ``dict(type='entropy', temperature=2.0)``, see
            :func:`mmnkd.functional.entropy_weight`; its mean is logged. None
            for no weights.
        **kwargs: See :class:`DistillLoss`.

    Raises:
        ValueError, TypeError: The weight is none of these, or as
            :class:`DistillLoss`.
    """

    def __init__(
        self, *, sample_weight: Optional[Mapping] = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        _check_sample_weight(sample_weight)
        self.sample_weight = sample_weight

    def rows(
        self, student: Tensor, teacher: Any, target: Tensor
    ) -> Union[Tensor, dict[str, Tensor]]:
        """Return the loss of each sample, (N,), or terms by name.

        Args:
            student: (N, C) logits.
            teacher: (N, C) logits, or a tuple that begins with them.
            target: (N,) class indices or (N, C) scores.
        """
        raise NotImplementedError

    def forward(
        self, student: Tensor, teacher: Any, target: Tensor
    ) -> Union[Tensor, dict[str, Tensor]]:
        """Return the loss, or its terms to be logged apart."""
        rows = self.rows(student, teacher, target)
        named = rows if isinstance(rows, dict) else {'': rows}
        if self.sample_weight is not None:
            weight = entropy_weight(
                student,
                teacher[0] if isinstance(teacher, tuple) else teacher,
                temperature=self.sample_weight['temperature'],
            )
            self.logged['sample_weight'] = weight.mean()
            named = {name: weight * row for name, row in named.items()}
        named = self.weighted(named)
        return named if isinstance(rows, dict) else named['']


class TeacherLogitsLoss(RowLoss):
    """Compare the student's logits with the teacher's at a temperature.

    Args:
        temperature: Divides the logits.
        standardize: Standardize the logits of each sample first, see
            :func:`mmnkd.functional.standardize`. A student that starts from
            scratch wants a `weight_schedule` with it, or clipped gradients.
        **kwargs: See :class:`RowLoss`. Its weights of samples are of the
            logits as they come.

    Raises:
        ValueError, TypeError: The temperature isn't positive, or as
            :class:`RowLoss`.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        standardize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive('temperature', temperature)
        check_flag('standardize', standardize)
        self.temperature = temperature
        self.standardize = standardize

    def prepare(
        self, student: Tensor, teacher: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the logits as they are compared."""
        if self.standardize:
            return standardize(student), standardize(teacher)
        return student, teacher


def _check_sample_weight(config: Any) -> None:
    if config is None:
        return
    if (
        not isinstance(config, Mapping)
        or config.get('type') != 'entropy'
        or config.keys() != {'type', 'temperature'}
    ):
        raise ValueError(
            "Expected `sample_weight` to be dict(type='entropy', "
            f'temperature=...) or None, but got {config!r}.'
        )
    check_positive('sample_weight.temperature', config['temperature'])
