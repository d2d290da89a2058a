"""What is wrong with a data set, before a batch of it is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from .classes import compare_classes
from .finding import Finding

__all__ = ['check_data']

_MOST_LABELS = 20_000  # are read, evenly spread: 0.2 s


def check_data(
    dataset: Any,
    *,
    num_classes: Optional[int] = None,
    teacher_classes: Optional[Sequence[str]] = None,
) -> list[Finding]:
    """Look at a data set's classes and labels.

    Args:
        dataset: A data set of mmpretrain or mmengine that was read.
        num_classes: Classes of the student's head, None if it doesn't tell.
        teacher_classes: Names of the teacher's, one for each of the
            student's; None if they aren't known.

    Returns:
        ``no-images``, ``class-count``, ``class-order``, ``label-range``
        (errors) and ``class-names`` (a warning).
    """
    if len(dataset) == 0:
        return [
            Finding(
                'no-images',
                'error',
                'Expected images in the data set, but it has none.',
                'Look at its `data_root`, `ann_file` and `data_prefix`.',
            )
        ]
    names = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    findings = []
    if names and num_classes and len(names) > num_classes:
        findings.append(too_few_outputs(len(names), num_classes))
    if names and teacher_classes:
        findings += compare_classes(teacher_classes, names)
    labels = _labels(dataset)
    if labels.size and num_classes:
        findings += check_labels(labels.min(), labels.max(), num_classes)
    return findings


def too_few_outputs(of_data: int, of_head: int) -> Finding:
    """Say that a head has no outputs for some classes of the data."""
    return Finding(
        'class-count',
        'error',
        f"Expected the student's head to have the {of_data} classes of the "
        f'data set, but it has {of_head}.',
        f'Set `model.head.num_classes={of_data}`.',
    )


def check_labels(low: int, high: int, num_classes: int) -> list[Finding]:
    """Expect labels among a head's classes."""
    if low >= 0 and high < num_classes:
        return []
    return [
        Finding(
            'label-range',
            'error',
            f"Expected labels from 0 to {num_classes - 1}, as the student's "
            f'head has {num_classes} classes, but got {low} to {high}.',
            f'Set `model.head.num_classes` to {high + 1} or more, or count '
            'the labels of the data set from 0.',
        )
    ]


def _labels(dataset: Any) -> np.ndarray:
    """Return labels of samples, none where the data set can't tell them."""
    step = -(-len(dataset) // _MOST_LABELS)
    try:
        return np.array(
            [
                int(dataset.get_data_info(index)['gt_label'])
                for index in range(0, len(dataset), step)
            ]
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return np.array([])  # several labels a sample, or none
