"""Time functions by turns, and measure their peak memory."""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Union

import torch

__all__ = ['Function', 'Plan', 'alternate', 'peak_memory']

Function = Callable[[], Any]


def _nothing() -> None:
    """Do nothing after a round."""


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        device: Where the functions run.
        rounds: How often each function is timed.
        warmup: How often each is called before.
        after_round: Called after each round, the warm-up's too; not timed.
    """

    device: torch.device = field(default_factory=lambda: torch.device('cpu'))
    rounds: int = 20
    warmup: int = 3
    after_round: Callable[[], None] = _nothing


def alternate(
    functions: Mapping[str, Function], plan: Plan
) -> dict[str, list[float]]:
    """Time functions by turns: each once a round, in an order that changes.

    Whatever slows the machine for a while slows all of them, and none always
    finds the caches as the same other left them. So the times of one round
    can be divided by each other.

    Args:
        functions: What to call, by name.
        plan: How often, and where.

    Returns:
        Seconds of each round, by name. On a GPU they are those between two
        events, with nothing else under way.
    """
    timed = _cuda_seconds if plan.device.type == 'cuda' else _cpu_seconds
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    gc.collect()
    with _without_gc():
        for number in range(plan.warmup + plan.rounds):
            order = random.Random(number).sample(
                list(functions), len(functions)
            )
            for name in order:
                elapsed = timed(functions[name])
                if number >= plan.warmup:
                    seconds[name].append(elapsed)
            plan.after_round()
    return seconds


def peak_memory(
    function: Function, device: Union[str, torch.device] = 'cpu'
) -> int:
    """Call a function once, and measure the peak of its tensors' memory.

    Args:
        function: What to call. Call it before, where its first call fills
            caches that shouldn't count.
        device: Whose memory: 'cpu', 'cuda' or 'cuda:1'.

    Returns:
        Bytes above those that were in use at the start; what the function
        leaves alive counts. On a CPU it is exact, but takes nothing off where
        the function frees what was there before. On a GPU each tensor is
        rounded up to 512 bytes. Work space that libraries (oneDNN) get for
        themselves is not seen.
    """
    device = torch.device(device)
    with _without_gc():
        if device.type == 'cuda':
            return _cuda_peak(function, device)
        return _cpu_peak(function)


def _cuda_peak(function: Function, device: torch.device) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    start = torch.cuda.memory_allocated(device)
    function()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - start


def _cpu_peak(function: Function) -> int:
    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(
        activities=[cpu], profile_memory=True
    ) as profile:
        function()
    # The sum over events is no public API, but torch 2.1 to 2.14 have this.
    events = profile.profiler.kineto_results.events()
    current = peak = 0
    for event in events:  # in the order of time
        is_cpu = event.device_type() == torch.autograd.DeviceType.CPU
        if event.name() == '[memory]' and is_cpu:
            current += event.nbytes()
            peak = max(peak, current)
    return peak


def _cpu_seconds(function: Function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _cuda_seconds(function: Function) -> float:
    start = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Keep the garbage collector from running amid a measurement."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
