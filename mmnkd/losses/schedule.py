"""Weights of losses that follow a schedule, by mmengine's own schedulers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

import torch
from mmengine.logging import MessageHub
from mmengine.optim import ReduceOnPlateauParamScheduler
from mmengine.registry import PARAM_SCHEDULERS

from ..functional.checks import check_not_negative

Schedule = Union[Mapping, Sequence[Mapping], None]


class _Progress(NamedTuple):
    """Count both; a scheduler's ``by_epoch`` is the index of its own."""

    iteration: int
    epoch: int


class WeightSchedule:
    """Compute a factor from the epoch and iteration of the running training.

    The schedulers are those of ``param_scheduler`` in a config, and mean what
    they mean there for a learning rate of 1. The state is the Runner's own
    count, so that a resumed training goes on where it stopped.

    Args:
        schedulers: Their configs, at least one.

    Raises:
        TypeError: They aren't a dict or a list of dicts.
        ValueError: One can't be built; the reason is given.
    """

    def __init__(self, schedulers: Union[Mapping, Sequence[Mapping]]) -> None:
        given = [schedulers] if isinstance(schedulers, Mapping) else schedulers
        if (
            not isinstance(given, (list, tuple))
            or not given
            or not all(isinstance(config, Mapping) for config in given)
        ):
            raise TypeError(
                'Expected `weight_schedule` to be a scheduler or a list of '
                "them, as in dict(type='LinearLR', start_factor=0.1, end=5), "
                f'but got {schedulers!r}.'
            )
        self.schedulers = [dict(config) for config in given]
        self._try()
        self._built: Optional[tuple[Any, list]] = None
        self._ends = self._steps = _Progress(0, 0)

    @classmethod
    def of(cls, schedulers: Schedule) -> Optional[WeightSchedule]:
        """Return a schedule, or None for None."""
        return None if schedulers is None else cls(schedulers)

    def __repr__(self) -> str:
        return repr(self.schedulers)

    def __getstate__(self) -> dict:
        return {**vars(self), '_built': None}  # schedulers can't be pickled

    def factor(self) -> float:
        """Return the factor now; the first one where no Runner trains."""
        info = MessageHub.get_current_instance().runtime_info
        if 'loop_stage' not in info:  # of a Runner that has finished
            info = {}
        now = _Progress(info.get('iter', 0), info.get('epoch', 0))
        ends = _Progress(
            info.get('max_iters') or 0, info.get('max_epochs') or 0
        )
        is_past = any(step > at for step, at in zip(self._steps, now))
        if self._built is None or is_past or ends != self._ends:
            self._built = self._build(ends)
            self._ends = ends
            self._steps = _Progress(0, 0)
        optimizer, schedulers = self._built
        for scheduler in schedulers:
            by_epoch = scheduler.by_epoch
            self._step(scheduler, now[by_epoch] - self._steps[by_epoch])
        self._steps = now
        return optimizer.param_groups[0]['lr']

    def _try(self) -> None:
        """Find out now what would go wrong in the training."""
        try:
            _, schedulers = self._build(_Progress(0, 0))
        except (TypeError, ValueError, KeyError, AssertionError) as error:
            raise ValueError(
                'Expected `weight_schedule` to have what a scheduler of '
                f'`param_scheduler` has, but got {self.schedulers}: {error}'
            ) from error
        for scheduler in schedulers:
            self._step(scheduler, min(scheduler.end, 1000))

    def _step(self, scheduler: Any, count: int) -> None:
        try:
            for _ in range(count):
                scheduler.step()
                factor = scheduler.optimizer.param_groups[0]['lr']
                check_not_negative('factor of weight_schedule', factor)
        except ZeroDivisionError as error:
            raise ValueError(
                'Expected `weight_schedule` to leave 0 never again, as the '
                'factors of mmengine are multiplied, but got '
                f'{self.schedulers}. Use 0.001, say, in place of 0.'
            ) from error

    def _build(self, ends: _Progress) -> tuple[Any, list]:
        """Build them as Runner does; of an unknown training `ends` are 0."""
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        schedulers = []
        for config in copy.deepcopy(self.schedulers):
            end = ends[config.get('by_epoch', True)]
            if end:
                config.setdefault('end', end)
            length = max(ends.iteration // max(ends.epoch, 1), 1)
            defaults = {'optimizer': optimizer, 'epoch_length': length}
            scheduler = PARAM_SCHEDULERS.build(config, default_args=defaults)
            if getattr(scheduler, 'param_name', None) != 'lr' or isinstance(
                scheduler, ReduceOnPlateauParamScheduler
            ):
                raise ValueError(
                    f'{type(scheduler).__name__} does not schedule a learning '
                    'rate by its epochs or iterations'
                )
            schedulers.append(scheduler)
        optimizer.step()  # else mmengine warns of a wrong order
        return optimizer, schedulers
