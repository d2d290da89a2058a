"""What a training step costs, and where its time goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..classifier.mixin import target_of
from ..taps import as_logits, recorded
from .batches import preprocessed, timed

__all__ = ['Cost', 'measure_cost', 'peak_memory']

# Steps are timed until there are so many, or this time has passed.
MOST_STEPS, BUDGET = 24, 10.0


@dataclass(frozen=True)
class Cost:
    """Seconds of one training step, and what they are spent on.

    Attributes:
        load: To load and augment one batch in one process.
        workers: Processes that load beside the training, 0 for none.
        step: Of the whole step without loading.
        teacher: Of the teacher's forward.
        losses: Of the distillation losses, forward and backward.
        validate: Of one validation batch, loading included; 0 without.
        memory: Peak in bytes, of the GPU or, without one, of this process.
    """

    load: float
    workers: int
    step: float
    teacher: float
    losses: float
    validate: float
    memory: int

    @property
    def data(self) -> float:
        """Return the time that a step waits for its images."""
        if not self.workers:
            return self.load
        return max(0.0, self.load / self.workers - self.step)

    @property
    def student(self) -> float:
        """Return the rest: forward, backward, and the update of weights."""
        return max(0.0, self.step - self.teacher - self.losses)

    @property
    def total(self) -> float:
        """Return the time from one step to the next."""
        return self.data + self.step

    @property
    def teacher_share(self) -> float:
        """Return the teacher's part of the time, from 0 to 1."""
        return self.teacher / self.total if self.total else 0.0


def measure_cost(
    model: Any,
    optim_wrapper: Any,
    batches: Sequence[Mapping[str, Any]],
    *,
    load: float,
    workers: int,
    validate: float = 0.0,
) -> Cost:
    """Time real training steps; the model is trained by them.

    Args:
        model: A classifier in training mode.
        optim_wrapper: Of its parameters.
        batches: As the data loader puts them out; each is a step, over and
            over.
        load: Seconds that it took to load one, in one process.
        workers: Processes that will load.
        validate: Seconds of a validation batch.
    """
    device = next(model.parameters()).device
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    rounds: list[tuple[float, float, float]] = []
    start = time.perf_counter()
    for batch in islice(cycle(batches), MOST_STEPS):
        step = partial(model.train_step, batch, optim_wrapper)
        _, seconds = timed(step, device)
        rounds.append((seconds, *_parts(model, batch, device)))
        if len(rounds) > 1 and time.perf_counter() - start > BUDGET:
            break
    # The first steps are slow: memory is taken, libraries choose kernels.
    step, teacher, losses = map(median, zip(*rounds[len(rounds) // 2 :]))
    memory = peak_memory(device)
    return Cost(load, workers, step, teacher, losses, validate, memory)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that a GPU held, or this process on a CPU.

    It is 0 where the system doesn't tell.
    """
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == 'darwin' else 1024 * size


def _parts(
    model: Any, batch: Mapping[str, Any], device: torch.device
) -> tuple[float, float]:
    """Return the seconds of the teacher's forward and of the losses."""
    losses = getattr(model, 'distill_losses', None)
    if losses is None or not losses.active:
        return 0.0, 0.0
    data = preprocessed(model, batch)
    images, samples = data['inputs'], data['data_samples']
    taps = {tap: tap for tap in losses.student_taps}
    if 'logits' in taps:
        taps['logits'] = model.logits_tap
    with torch.no_grad(), recorded(model, taps) as student:
        model(images, mode='tensor')
    student = {name: _leaf(value) for name, value in student.items()}
    if 'logits' in student:
        student['logits'] = _leaf(
            as_logits(student['logits'], model, model.logits_tap, 'logits_tap')
        )
    teacher: dict[str, Any] = {}
    seconds = 0.0
    if model.teacher is not None and losses.teacher_taps:
        teacher, seconds = timed(
            lambda: model.teacher(images, losses.teacher_taps, samples), device
        )

    def step() -> None:
        found = losses.compute(student, teacher, target_of(samples))
        sum(v.mean() for k, v in found.items() if 'loss' in k).backward()

    return seconds, timed(step, device)[1]


def _leaf(value: Any) -> Any:
    """Return tensors apart from their graph, with a gradient of their own."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().requires_grad_()
    if isinstance(value, (tuple, list)):
        return type(value)(map(_leaf, value))
    return value
