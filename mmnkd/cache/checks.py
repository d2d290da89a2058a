"""What a teacher's outputs must be read by, and drawn from, to be stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Optional

import torch
from torch import Tensor, nn

__all__ = ['check_only_logits', 'check_unmixed', 'differences', 'targets']


def check_only_logits(taps: Collection[str]) -> None:
    """Expect losses on logits.

    Raises:
        ValueError: A loss reads something else.
    """
    others = sorted(t for t in taps if t.split('.')[-1] != 'logits')
    if others:
        raise ValueError(
            'Expected losses that read the logits alone of a stored teacher, '
            f'but some of `distill_losses` read {others}. Features and heads '
            'are not stored: leave these losses out, or take the live '
            'teacher, teacher=dict(model=..., checkpoint=...).'
        )


def check_unmixed(preprocessor: nn.Module) -> None:
    """Expect images that don't depend on the batch.

    Raises:
        ValueError: MixUp, CutMix or the like is on.
    """
    mixing = getattr(preprocessor, 'batch_augments', None)
    if mixing is not None:
        names = [type(a).__name__ for a in getattr(mixing, 'augments', ())]
        raise ValueError(
            f'Expected views that depend on (epoch, index) alone, but '
            f'{" and ".join(names) or "batch_augments"} mix the images of a '
            'batch after the data set. Leave out `augments` of '
            '`model.train_cfg` (or `batch_augments` of `data_preprocessor`), '
            'or take the live teacher.'
        )


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return which values differ, as text; '' where none does."""
    return '; '.join(
        f'{name} {found.get(name)} instead of {expected.get(name)}'
        for name in {**expected, **found}
        if found.get(name) != expected.get(name)
    )


def targets(samples: Any) -> Optional[Tensor]:
    """Return (N,) classes, by label or by the largest score; else None."""
    if all('gt_label' in s and s.gt_label.numel() == 1 for s in samples):
        return torch.cat([sample.gt_label for sample in samples])
    if all('gt_score' in sample for sample in samples):
        return torch.stack([s.gt_score for s in samples]).argmax(dim=1)
    return None
