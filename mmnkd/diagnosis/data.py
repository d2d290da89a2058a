"""What is wrong with a data set, before a batch of it is trained on."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from .finding import Finding, error

__all__ = ['check_data', 'read_labels']

_MOST_LABELS = 20_000  # are read: 0.2 s
_NO_LABEL = -100  # torch's `ignore_index`


def check_data(
    dataset: Any,
    *,
    num_classes: Optional[int] = None,
    batches: Optional[int] = None,
    labels: Optional[np.ndarray] = None,
) -> list[Finding]:
    """Look at a data set's classes and labels.

    Args:
        dataset: A data set of mmpretrain or mmengine that was read.
        num_classes: Classes of the student's head, None if it doesn't tell.
        batches: Batches of an epoch, None if they aren't counted.
        labels: What :func:`read_labels` returned; None to read them here.

    Returns:
        ``no-images``, ``class-count`` and ``label-range``.
    """
    if not hasattr(dataset, '__len__'):
        return []
    if len(dataset) == 0:
        return error(
            'no-images',
            'Expected images in the data set, but it has none.',
            'Look at its `data_root`, `ann_file` and `data_prefix`.',
        )
    if batches == 0:
        return error(
            'no-images',
            f'Expected a whole batch, but the {len(dataset)} images are '
            'fewer, and `drop_last` drops them.',
            'Set a smaller `batch_size`, or `drop_last=False`.',
        )
    names = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    findings = []
    if names and num_classes:
        findings += compare_counts(len(names), num_classes)
    if labels is None:
        labels = read_labels(dataset)
    if labels is not None and labels.size and num_classes:
        findings += check_labels(labels.min(), labels.max(), num_classes)
    return findings


def compare_counts(of_data: int, of_head: int) -> list[Finding]:
    """Expect as many classes in the data as in the student's head.

    Returns:
        ``class-count``: an error for classes without an output, a warning for
        outputs without a class.
    """
    if of_data == of_head:
        return []
    return [
        Finding(
            'class-count',
            'error' if of_data > of_head else 'warning',
            f"Expected the student's head to have the {of_data} classes of "
            f'the data set, but it has {of_head}.',
            f'Set `model.head.num_classes={of_data}`.',
        )
    ]


def check_labels(low: int, high: int, num_classes: int) -> list[Finding]:
    """Expect labels among a head's classes."""
    if low >= 0 and high < num_classes:
        return []
    if low == _NO_LABEL and high < num_classes:
        return error(
            'label-range',
            f'Expected a label for each image, but some have {_NO_LABEL}. The '
            "student's cross entropy leaves those out, but losses of "
            'distillation that read labels (NKD, tf-NKD, DKD, WSLD, USKD ...) '
            'do not.',
            'Leave such images out of the data set. If no loss reads labels '
            '(KD, DIST, features), ignore this finding.',
        )
    return error(
        'label-range',
        f"Expected labels from 0 to {num_classes - 1}, as the student's "
        f'head has {num_classes} classes, but got {low} to {high}.',
        f'Set `model.head.num_classes` to {high + 1} or more, or count '
        'the labels of the data set from 0.',
    )


def read_labels(dataset: Any) -> Optional[np.ndarray]:
    """Return one label a sample, of at most 20,000 evenly spread samples.

    Labels of -100 are left out, as torch's cross entropy does. None where
    samples have no label, or several.
    """
    try:
        step = max(1, -(-len(dataset) // _MOST_LABELS))
        labels = [
            int(dataset.get_data_info(index)['gt_label'])
            for index in range(0, len(dataset), step)
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return np.array([label for label in labels if label != _NO_LABEL], int)
