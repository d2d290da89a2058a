"""What would make a training faster, with what was measured."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Optional

from ..cache.rows import Rows
from ..teacher import FrozenTeacher
from .batches import preprocessed, timed
from .cost import Cost
from .report import Report

__all__ = ['advise_cache', 'advise_dtype', 'advise_workers', 'make_faster']

# Parts of a step below which there is nothing to gain.
_WORTH = 0.1


def make_faster(
    report: Report, model: Any, batch: Mapping[str, Any]
) -> list[str]:
    """Say what would make a training faster; a teacher is tried on a batch."""
    cost, plan = report.cost, report.plan
    assert cost is not None
    assert plan is not None
    advice = [advise_workers(cost)]
    teacher = getattr(model, 'teacher', None)
    if isinstance(teacher, FrozenTeacher) and teacher.is_built:
        images = preprocessed(model, batch)['inputs']
        taps = model.distill_losses.teacher_taps
        is_plain = teacher.mode == 'eval' and not teacher.speedup['dtype']
        if is_plain and cost.teacher_share > _WORTH:
            seconds = _try_bfloat16(model, teacher, images, taps)
            advice.append(advise_dtype(cost, seconds))
        only_logits = set(taps) == {'logits'} and teacher.mode == 'eval'
        if only_logits and not plan.batch_augments and report.train:
            classes = teacher(images, ['logits'])['logits'].shape[1]
            views = (plan.epochs or 0) * report.train.images
            if views:
                advice.append(
                    advise_cache(cost, report.config, views, classes)
                )
    return [text for text in advice if text]


def advise_workers(cost: Cost, cores: Optional[int] = None) -> Optional[str]:
    """Say how many processes should load, if a step waits for its images."""
    if cost.data < _WORTH * cost.total:
        return None
    spare = (cores or os.cpu_count() or 1) - 1
    wanted = min(spare, max(1, math.ceil(1.2 * cost.load / cost.step)))
    if wanted <= cost.workers:
        return None
    waits = max(0.0, cost.load / wanted - cost.step)
    saved = (cost.data - waits) / cost.total
    return (
        f'Set `train_dataloader.num_workers={wanted}`: a step waits for its '
        f'images for {cost.data / cost.total:.0%} of its time. To load them '
        f'beside the training saves up to {saved:.0%}.'
    )


def advise_dtype(cost: Cost, seconds: float) -> Optional[str]:
    """Say what a teacher saves whose forward in bfloat16 takes `seconds`."""
    saved = (cost.teacher - seconds) / cost.total
    if saved < _WORTH / 2:
        return None
    return (
        "Set `teacher.dtype='bfloat16'`: here the teacher then takes "
        f'{1000 * seconds:.3g} ms a step instead of '
        f'{1000 * cost.teacher:.3g} ms, which saves {saved:.0%} of the '
        'training.'
    )


def advise_cache(
    cost: Cost, config: str, views: int, classes: int
) -> Optional[str]:
    """Say what stored answers save, on the training's `views` of images."""
    if cost.teacher_share < _WORTH:
        return None
    topk = 50 if classes > 200 else None
    size = views * Rows(classes, topk).bytes / 1e6
    amount = f'{size / 1000:.2g} GB' if size > 1000 else f'{size:.2g} MB'
    option = f' --topk {topk}' if topk else ''
    return (
        'If you train with this teacher more than once, store its answers '
        f'(about {amount}). Each later training then takes '
        f'{cost.teacher_share:.0%} less time:\n'
        f'mmnkd cache {config} --out DIR{option}'
    )


def _try_bfloat16(
    model: Any, teacher: FrozenTeacher, images: Any, taps: Any
) -> float:
    """Return the seconds of a second teacher's forward in bfloat16."""
    other = FrozenTeacher(
        teacher.model,
        teacher.checkpoint,
        logits_tap=teacher.logits_tap,
        input_size=teacher.input_size,
        class_indices=teacher.class_indices,
        accelerate=bool(teacher.speedup['accelerate']),
        dtype='bfloat16',
    )
    other.build(model.data_preprocessor, taps)
    other(images, taps)  # compares, and warms up
    return timed(lambda: other(images, taps), images.device)[1]
