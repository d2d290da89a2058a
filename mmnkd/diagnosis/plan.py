"""What a config will do, read off after all inheritance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..teacher.source import pipeline_of
from .finding import Finding, warning

__all__ = ['Plan', 'check_plan', 'read_plan']


@dataclass(frozen=True)
class Plan:
    """What a training will do.

    Attributes:
        epochs: Passes over the data, None where iterations are counted.
        iterations: Steps, None where epochs are counted.
        batch_size: Images a step of one process.
        processes: Processes (GPUs) of the training.
        accumulate: Batches whose gradients are added before a step.
        drop_last: Whether a last batch that isn't full is left out.
        optimizer: Its type.
        lr: Learning rate with which the training starts, after scaling.
        lr_is_scaled: Whether mmengine scales it to the batch.
        base_batch_size: Total batch for which the config's rate was chosen,
            None if the config doesn't tell.
        schedule: Types of the learning rate's schedulers.
        pipeline: Types of the steps that a training image goes through.
        batch_augments: Types of what mixes the images of a batch.
        ema: Whether weights are averaged.
        amp: Number format of mixed precision, None without.
    """

    epochs: Optional[int]
    iterations: Optional[int]
    batch_size: int
    processes: int
    accumulate: int
    drop_last: bool
    optimizer: str
    lr: Optional[float]
    lr_is_scaled: bool
    base_batch_size: Optional[int]
    schedule: list[str]
    pipeline: list[str]
    batch_augments: list[str]
    ema: bool
    amp: Optional[str]

    @property
    def total_batch(self) -> int:
        """Return how many images make one update of the weights."""
        return self.batch_size * self.processes * self.accumulate

    def steps(self, images: int) -> int:
        """Return the steps of the whole training with so many images."""
        if self.iterations is not None:
            return self.iterations
        share = math.ceil(images / self.processes)
        of_epoch = share / self.batch_size
        rounded = math.floor if self.drop_last else math.ceil
        return (self.epochs or 0) * rounded(of_epoch)


def read_plan(config: Mapping[str, Any], processes: int = 1) -> Plan:
    """Read what a training on some processes will do.

    Raises:
        ValueError: A part that a training needs is missing.
    """
    needed = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    missing = [key for key in needed if not config.get(key)]
    if missing:
        raise ValueError(
            f'Expected a config that trains, but it has no {missing}. '
            'Inherit from a config of the model zoo that has them.'
        )
    loop, loader = config['train_cfg'], config['train_dataloader']
    wrapper = config['optim_wrapper']
    batch = loader.get('batch_size') or loader['batch_sampler']['batch_size']
    scaling = config.get('auto_scale_lr') or {}
    base = scaling.get('base_batch_size')
    is_scaled = bool(scaling.get('enable') and base)
    optimizer = wrapper.get('optimizer') or {}
    lr = optimizer.get('lr')
    if lr is not None and is_scaled:
        lr = lr * batch * processes / base
    return Plan(
        epochs=loop.get('max_epochs'),
        iterations=loop.get('max_iters'),
        batch_size=batch,
        processes=processes,
        accumulate=wrapper.get('accumulative_counts', 1),
        drop_last=bool(loader.get('drop_last')),
        optimizer=_name(optimizer),
        lr=lr,
        lr_is_scaled=is_scaled,
        base_batch_size=base,
        schedule=_names(config.get('param_scheduler')),
        pipeline=_names(pipeline_of(config, 'train')[0]),
        batch_augments=_names(_batch_augments(config)),
        ema='EMAHook' in _names(config.get('custom_hooks')),
        amp=_amp(wrapper),
    )


def check_plan(plan: Plan) -> list[Finding]:
    """Expect the learning rate to fit the batch."""
    base = plan.base_batch_size
    if not base or plan.lr is None or plan.lr_is_scaled:
        return []
    ratio = plan.total_batch / base
    if 2 / 3 < ratio < 3 / 2:
        return []
    wanted = base / (plan.batch_size * plan.accumulate)
    several = f', or train on {wanted:.0f} GPUs' if wanted >= 2 else ''
    return warning(
        'batch-size',
        f'Expected a total batch of {base}, for which the learning rate '
        f'{plan.lr:g} was chosen, but it is {plan.total_batch}.',
        'Add --auto-scale-lr to the command of the training (the rate '
        f'then is {plan.lr * ratio:.3g}){several}.',
    )


def _name(config: Any) -> str:
    kind = config.get('type', '?') if isinstance(config, Mapping) else config
    return kind if isinstance(kind, str) else kind.__name__


def _names(configs: Any) -> list[str]:
    if isinstance(configs, Mapping):
        configs = [configs]
    return [
        _name(one) for one in configs or () if isinstance(one, (Mapping, type))
    ]


def _batch_augments(config: Mapping[str, Any]) -> Any:
    model, name = config['model'], 'data_preprocessor'
    preprocessor = model.get(name) or config.get(name) or {}
    augments = (model.get('train_cfg') or {}).get('augments')
    augments = augments or preprocessor.get('batch_augments')
    if isinstance(augments, Mapping):
        return augments.get('augments', augments)
    return augments


def _amp(wrapper: Mapping[str, Any]) -> Optional[str]:
    if _name(wrapper) != 'AmpOptimWrapper':
        return None
    return wrapper.get('dtype') or 'float16'
