"""What a benchmark came to: raw seconds, and what is computed from them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Optional, Union

__all__ = ['Group', 'Result', 'Row', 'Spread', 'read', 'write']

DIGITS = 5  # of the seconds, to keep files small


@dataclass(frozen=True)
class Spread:
    """A median between the 10th and the 90th percentile."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of values; of a single one, that value thrice."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        tenths = quantiles(values, n=10, method='inclusive')
        return cls(tenths[0], median(values), tenths[-1])


@dataclass
class Row:
    """One of the things that were compared.

    Attributes:
        name: What the table calls it.
        seconds: Of each round.
        values: What else was measured, by the heading of its column.
    """

    name: str
    seconds: list[float]
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Here, so that a table is the same from memory and from a file.
        self.seconds = [float(f'{s:.{DIGITS}g}') for s in self.seconds]


@dataclass
class Group:
    """Rows that were measured alternately, and so can be compared.

    Attributes:
        title: What they have in common.
        baselines: Names of rows that the others are divided by.
        rows: In the order of the table.
        size: What a sweep varies.
    """

    title: str
    baselines: list[str]
    rows: list[Row]
    size: Optional[int] = None

    def row(self, name: str) -> Row:
        """Return the row of that name."""
        return next(row for row in self.rows if row.name == name)

    def ratio(self, row: Row, baseline: str) -> Spread:
        """Return the spread of the ratios, each of one round."""
        others = self.row(baseline).seconds
        return Spread.of([a / b for a, b in zip(row.seconds, others)])


@dataclass
class Result:
    """One run of a subcommand.

    Attributes:
        command: The subcommand.
        settings: Its options.
        environment: Hardware and versions.
        groups: What was measured.
    """

    command: str
    settings: dict[str, Any]
    environment: dict[str, Any]
    groups: list[Group]


def write(result: Result, path: Union[str, os.PathLike]) -> None:
    """Write a result as JSON, with the seconds of every round."""
    Path(path).write_text(json.dumps(asdict(result)) + '\n')


def read(path: Union[str, os.PathLike]) -> Result:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: The file holds something else.
    """
    try:
        data = json.loads(Path(path).read_text())
        groups = [
            Group(**{**group, 'rows': [Row(**row) for row in group['rows']]})
            for group in data.pop('groups')
        ]
        return Result(groups=groups, **data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'Expected a result of tools/benchmark.py, but {path} is none.'
        ) from error
