"""How long a whole training will take, by a few of its steps."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from .batches import Batches, random_batches, timed
from .cost import measure_cost
from .faster import make_faster
from .plan import Plan
from .report import Report

__all__ = ['estimate']


def estimate(
    report: Report, config: Config, model: Any, train: Batches, val: Batches
) -> None:
    """Time training steps, and note the cost of the whole in a report.

    Args:
        report: With the plan and what is known of the data.
        config: The whole config.
        model: A classifier, which is trained for some steps.
        train: Training batches; without any, noise takes their place.
        val: Validation batches, perhaps none.
    """
    plan = report.plan
    assert plan is not None
    batches = train.real or random_batches(model, config, val, 2)
    validate = val.seconds
    device = next(model.parameters()).device
    if val.real:
        step = partial(model.eval().val_step, val.real[-1])
        validate += timed(step, device)[1]
    report.cost = cost = measure_cost(
        model.train(),
        build_optim_wrapper(model, _wrapper(config, plan, device)),
        batches,
        load=train.seconds,
        workers=config.train_dataloader.get('num_workers', 0),
        validate=validate,
    )
    report.is_data_real = bool(train.real)
    report.steps = plan.steps(report.train.images if report.train else 0)
    report.seconds = report.steps * cost.total
    if val.real and config.get('val_cfg') is not None:
        length = plan.epochs or plan.iterations or 0
        rounds = length // config.train_cfg.get('val_interval', 1)
        batches_each = -(-val.total // plan.processes)
        report.seconds += rounds * batches_each * validate
    report.advice = make_faster(report, model, batches[-1])


def _wrapper(config: Config, plan: Plan, device: Any) -> dict[str, Any]:
    """Return the optimizer's config; a CPU has no mixed precision."""
    wrapper = copy.deepcopy(dict(config.optim_wrapper))
    if device.type == 'cpu' and plan.amp:
        known = ('optimizer', 'paramwise_cfg', 'clip_grad', 'constructor')
        wrapper = {k: v for k, v in wrapper.items() if k in known}
        wrapper['type'] = 'OptimWrapper'
    return wrapper
