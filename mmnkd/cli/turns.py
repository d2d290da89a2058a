"""Times by turns, in one process: each variant once a round, in random order.

So a slow spell of the machine hits all alike.
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Callable

import torch

__all__ = ['Functions', 'Seconds', 'alternate', 'processor', 'table']

Functions = dict[str, Callable[[], Any]]
Seconds = dict[str, list[float]]  # of each round, by what was timed


def alternate(functions: Functions, args: argparse.Namespace) -> Seconds:
    """Time functions by turns, as often as `args` says."""
    wait = torch.cuda.synchronize if args.device == 'cuda' else bool
    seconds: Seconds = {name: [] for name in functions}
    for number in range(-args.warmup, args.rounds):
        if sys.stderr.isatty():
            print(f'\rround {number}', end='\r', file=sys.stderr)
        order = random.Random(number).sample(list(functions), len(functions))
        gc.collect()  # here, rather than amid a measurement
        gc.disable()
        for name in order:
            wait()
            start = args.clock()
            functions[name]()
            wait()
            if number >= 0:
                seconds[name].append(args.clock() - start)
        gc.enable()
    return seconds


def table(title: str, seconds: Seconds, baselines: Sequence[str]) -> str:
    """Return medians in Markdown, with the 10th and the 90th percentile.

    All are divided by each of the baselines, round by round, too.
    """
    head = [title, 'ms', *(f'÷ {name}' for name in baselines)]
    rows = [head, ['---', *['---:'] * (len(head) - 1)]]
    for name, values in seconds.items():
        rows.append([name, _spread([1000 * value for value in values])])
        for other in baselines:
            ratios = [a / b for a, b in zip(values, seconds[other])]
            rows[-1].append('1' if name == other else _spread(ratios))
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def processor() -> str:
    """Return the name of this machine's processor, as far as it tells."""
    with suppress(OSError, StopIteration):  # no Linux
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        name = next(line for line in lines if line.startswith('model name'))
        return name.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def _spread(values: Sequence[float]) -> str:
    ordered, tenth = sorted(values), len(values) // 10
    low, middle, high = ordered[tenth], median(values), ordered[~tenth]
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f'{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})'
