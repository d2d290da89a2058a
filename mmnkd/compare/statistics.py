"""Means over seeds, and differences with their intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple, Optional

__all__ = [
    'Difference',
    'lower_is_better',
    'paired_difference',
    'spread',
    'welch_difference',
]

LEVEL = 0.95
# What names of metrics tell; `calibration/confidence` is good at no end.
_LOWER = (
    r'loss|error|perplexity|calibration/(?!confidence)|agreement/(kl|nkd_)'
)
_HIGHER = r'accuracy|top-?\d|precision|recall|f1|\bmap|auc|auroc'


class Difference(NamedTuple):
    """Hold a difference of means.

    Attributes:
        mean: NaN where nothing can be compared.
        half: Half the width of the 95 % interval, NaN for a single pair.
        n: The number of pairs; of the smaller group where none are paired.
        is_paired: Whether it is the mean over pairs of one seed.
        lower_is_better: Whether it is of a metric that should fall; None
            where that isn't known.
    """

    mean: float
    half: float
    n: int
    is_paired: bool = True
    lower_is_better: Optional[bool] = False

    @property
    def verdict(self) -> Optional[str]:
        """'better', 'worse', 'open', or None where it can't be told."""
        if not self.n:
            return None
        if not abs(self.mean) > self.half:  # or without an interval
            return 'open'
        if self.lower_is_better is None:
            return None
        return 'better' if (self.mean < 0) == self.lower_is_better else 'worse'

    def __str__(self) -> str:
        if not self.n:
            return ''
        if math.isnan(self.half):
            return f'{self.mean:+.2f} ({self.n})'
        low, high = self.mean - self.half, self.mean + self.half
        return f'{self.mean:+.2f} [{low:+.2f}, {high:+.2f}] ({self.n})'


def lower_is_better(metric: str) -> Optional[bool]:
    """Tell by its name whether a metric should fall, None for unknown ones."""
    if re.search(_LOWER, metric, re.IGNORECASE):
        return True
    return False if re.search(_HIGHER, metric, re.IGNORECASE) else None


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation (n)."""
    if len(values) < 2:
        return f'{mean(values):.2f} (1)'
    return f'{mean(values):.2f} ± {stdev(values):.2f} ({len(values)})'


def paired_difference(
    ours: Mapping[int, float], theirs: Mapping[int, float]
) -> Difference:
    """Compare by seed: Student's interval for the mean over shared seeds."""
    from scipy.stats import t

    gains = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    n = len(gains)
    if n < 2:
        return Difference(gains[0] if gains else math.nan, math.nan, n)
    half = t.ppf((1 + LEVEL) / 2, n - 1) * stdev(gains) / math.sqrt(n)
    return Difference(mean(gains), float(half), n)


def welch_difference(
    ours: Sequence[float], theirs: Sequence[float]
) -> Difference:
    """Compare runs that have no seed in common: Welch's interval."""
    from scipy.stats import ttest_ind

    middle, n = mean(ours) - mean(theirs), min(len(ours), len(theirs))
    half = math.nan
    if n > 1:
        test = ttest_ind(ours, theirs, equal_var=False)
        interval = test.confidence_interval(LEVEL)
        half = float(interval.high - interval.low) / 2
    return Difference(middle, half, n, is_paired=False)
