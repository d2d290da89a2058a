"""Weights of losses that follow a schedule, by mmengine's own schedulers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import torch
from mmengine.logging import MessageHub
from mmengine.registry import PARAM_SCHEDULERS

__all__ = ['Schedule', 'WeightSchedule']

Schedule = Union[Mapping, Sequence[Mapping], None]


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
        self._build(epoch_length=1)  # what is wrong is wrong now
        self._built: Optional[tuple[Any, list]] = None
        self._steps = {True: 0, False: 0}  # by epoch, by iteration

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
        runner = MessageHub.get_current_instance().runtime_info
        now = {True: runner.get('epoch', 0), False: runner.get('iter', 0)}
        if self._built is None or any(self._steps[k] > now[k] for k in now):
            epochs = runner.get('max_epochs') or 1
            length = (runner.get('max_iters') or epochs) // epochs
            self._built = self._build(length)
            self._steps = {True: 0, False: 0}
        optimizer, schedulers = self._built
        for scheduler in schedulers:
            by_epoch = scheduler.by_epoch
            for _ in range(self._steps[by_epoch], now[by_epoch]):
                scheduler.step()
        self._steps = now
        return optimizer.param_groups[0]['lr']

    def _build(self, epoch_length: int) -> tuple[Any, list]:
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        schedulers = []
        for config in copy.deepcopy(self.schedulers):
            if config.get('convert_to_iter_based'):
                config['epoch_length'] = max(epoch_length, 1)
            try:
                scheduler = PARAM_SCHEDULERS.build(
                    config, default_args={'optimizer': optimizer}
                )
            except (TypeError, ValueError, KeyError, AssertionError) as error:
                raise ValueError(
                    'Expected `weight_schedule` to have what a scheduler of '
                    f'`param_scheduler` has, but got {config}: {error}'
                ) from error
            schedulers.append(scheduler)
        optimizer.step()  # else mmengine warns of a wrong order
        return optimizer, schedulers
