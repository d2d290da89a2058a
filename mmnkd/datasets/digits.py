"""Handwritten digits that come inside scikit-learn: real, and no download."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from mmengine.registry import DATASETS
from mmpretrain.datasets import BaseDataset


@DATASETS.register_module()
class Digits(BaseDataset):
    """The 1797 images of 8x8 pixels in ``sklearn.datasets.load_digits``.

    Images are (8, 8, 3) uint8 with three equal channels, as mmpretrain's
    loaders and inferencers have them. Every third image of a digit, in the
    order of scikit-learn, is for the test: 1201 images for training and 596
    for the test, the same on every machine.

    Args:
        split: 'train' or 'test'.
        **kwargs: Those of ``mmpretrain.datasets.BaseDataset``.

    Raises:
        ValueError: The split is another.
        ImportError: scikit-learn is not installed.

    Reference:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI
        Machine Learning Repository, 1998.
    """

    METAINFO = {'classes': [str(digit) for digit in range(10)]}

    def __init__(
        self, split: str, metainfo: Optional[dict] = None, **kwargs: Any
    ) -> None:
        if split not in ('train', 'test'):
            raise ValueError(
                f"Expected `split` to be 'train' or 'test', but got {split!r}."
            )
        self.split = split
        super().__init__(ann_file='', metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the images of this split."""
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ImportError(
                'The digits come with scikit-learn, which is not installed. '
                'Run: pip install "mmnkd[demo]"'
            ) from error
        images, labels = load_digits(return_X_y=True)
        images = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16))
        images = images.astype(np.uint8).repeat(3, axis=3)
        is_test = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            is_test[np.flatnonzero(labels == label)[2::3]] = True
        chosen = is_test == (self.split == 'test')
        return [
            {'img': image, 'gt_label': int(label)}
            for image, label in zip(images[chosen], labels[chosen])
        ]
