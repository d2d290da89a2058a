"""What data and networks are, in numbers that a person can check."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from torch import Tensor

from .finding import Finding, error, warning

__all__ = [
    'DataFacts',
    'ImageFacts',
    'check_data_facts',
    'check_image_facts',
    'describe_data',
    'describe_images',
]


@dataclass(frozen=True)
class DataFacts:
    """What a data set has.

    Attributes:
        kind: Its type.
        images: How many images it has.
        counted: How many labels were counted, evenly spread.
        counts: Images by name of the class (or its number), in the order of
            the classes; empty where samples don't have one class.
    """

    kind: str
    images: int
    counted: int
    counts: dict[str, int]


@dataclass(frozen=True)
class ImageFacts:
    """What a network gets for one image.

    Attributes:
        shape: Channels, height, width.
        low: Least value.
        high: Largest value.
        mean: Of all values.
        std: Of all values.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    mean: float
    std: float


def describe_data(
    dataset: Any, labels: Optional[np.ndarray] = None
) -> DataFacts:
    """Count a data set's images by class; `labels` are by `read_labels`."""
    meta = getattr(dataset, 'metainfo', None) or {}
    names = [*map(str, meta.get('classes') or ())]
    known = [] if labels is None else labels.tolist()
    found = Counter(known)
    numbers = range(max(len(names), max(found, default=-1) + 1))
    counts = {
        names[k] if k < len(names) else str(k): found[k] for k in numbers
    }
    return DataFacts(
        kind=type(dataset).__name__,
        images=len(dataset),
        counted=len(known),
        counts=counts if found else {},
    )


def describe_images(images: Tensor) -> ImageFacts:
    """Say what a network gets, by the first of its preprocessed images."""
    image = images[0].detach().float()
    return ImageFacts(
        shape=tuple(image.shape),
        low=image.min().item(),
        high=image.max().item(),
        mean=image.mean().item(),
        std=image.std().item(),
    )


def check_data_facts(
    train: DataFacts,
    train_classes: Optional[Sequence[str]] = None,
    val_classes: Optional[Sequence[str]] = None,
) -> list[Finding]:
    """Expect images of each class, and the same classes for validation."""
    findings: list[Finding] = []
    empty = [name for name, count in train.counts.items() if not count]
    if empty and train.counted == train.images:
        findings += warning(
            'class-empty',
            f'Expected training images of all {len(train.counts)} classes, '
            f'but {len(empty)} have none: {_some(empty)}.',
            'Look at the folders or the annotation file of the training data.',
        )
    names = [*map(str, train_classes or ())]
    others = [*map(str, val_classes or ())]
    if names and others and names != others:
        findings += error(
            'val-classes',
            'Expected the classes of the training data in the validation data '
            f'too, but got {_some(names)} in training and {_some(others)} in '
            'validation.',
            'Give both the same folders, or set `metainfo.classes` of both '
            'data sets.',
        )
    return findings


def check_image_facts(images: Mapping[str, ImageFacts]) -> list[Finding]:
    """Expect that networks, by name, get values about 0, not much over 1."""
    return [
        Finding(
            'image-scale',
            'warning',
            f'Expected images with values of about -3 to 3, but {who} gets '
            f'{facts.low:.3g} to {facts.high:.3g}.',
            'Look at `mean` and `std` of its `data_preprocessor`. They are '
            'in units of 0 to 255, and so are the images before.',
        )
        for who, facts in images.items()
        if 30 < max(abs(facts.low), abs(facts.high)) < math.inf
        or facts.std < 0.01
    ]


def _some(names: Sequence[str]) -> str:
    shown = ', '.join(names[:3])
    return shown if len(names) <= 3 else f'{shown}, … ({len(names)} in all)'
