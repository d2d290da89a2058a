"""The student's images, converted to what the teacher was trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmpretrain.models import HuggingFaceClassifier, TimmClassifier
from torch import Tensor, nn


class ImageAdapter:
    """Undo the student's normalization and apply the teacher's.

    Both start from the same decoded image, so that mean, std and the order of
    the channels tell them apart. MixUp and CutMix commute with the conversion;
    what ``pad_size_divisor`` adds is converted like the image.

    Args:
        student: What the student's data preprocessor makes of an image.
        teacher: The teacher's, None if it takes the student's images.
        size: (height, width) of the teacher's images, None for the student's.
    """

    def __init__(
        self,
        student: Format,
        teacher: Optional[Format],
        size: Optional[tuple[int, int]] = None,
    ) -> None:
        wanted = teacher or student
        counts = {len(x) for x in (*student[:2], *wanted[:2])} - {1}
        if len(counts) > 1:
            raise ValueError(
                'Expected `mean` and `std` in the `data_preprocessor` of '
                f'student and teacher to have one length, but got '
                f'{sorted(counts)}. Give as many numbers as images have '
                'channels, or one.'
            )
        self.size = size
        self.flip = student.to_rgb != wanted.to_rgb
        mean, std = student.mean, student.std
        if self.flip:
            mean, std = mean.flip(0), std.flip(0)
        self.scale = (std / wanted.std).float()
        self.shift = ((mean - wanted.mean) / wanted.std).float()
        self.same_values = bool(
            (self.scale == 1).all() and (self.shift == 0).all()
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Convert (N, channels, H, W) images; equal formats cost nothing."""
        if self.flip and images.shape[1] == 3:
            images = images.flip(1)
        if not self.same_values:
            self.scale = self.scale.to(images.device)
            self.shift = self.shift.to(images.device)
            images = torch.addcmul(self.shift, images, self.scale)
        if self.size is not None and images.shape[-2:] != self.size:
            images = F.interpolate(
                images, self.size, mode='bilinear', antialias=True
            )
        return images

    def __repr__(self) -> str:
        steps = {
            'channels flipped': self.flip,
            'other mean and std': not self.same_values,
            f'resized to {self.size}': self.size is not None,
        }
        done = [step for step, wanted in steps.items() if wanted]
        return ', '.join(done) or "the student's"


def height_and_width(
    size: Union[int, Sequence[int], None],
) -> Optional[tuple[int, int]]:
    """Read a teacher's `input_size`, an int or a pair."""
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else size
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(type(n) is int and n > 0 for n in pair)
    ):
        raise ValueError(
            'Expected `teacher.input_size` to be a positive int or '
            f'(height, width), but got {size!r}.'
        )
    return pair[0], pair[1]


class Format(NamedTuple):
    """Say how a network's images are normalized, in units of 0 to 255."""

    mean: Tensor  # (channels, 1, 1) or (1, 1, 1)
    std: Tensor
    to_rgb: bool

    @classmethod
    def of(cls, preprocessor: nn.Module) -> Format:
        """Read a preprocessor of mmpretrain or mmengine."""
        mean = getattr(preprocessor, 'mean', None)
        std = getattr(preprocessor, 'std', None)
        if mean is None or std is None:  # it doesn't normalize
            mean, std = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
        # mmengine's says it by this name alone, mmpretrain's by `to_rgb`.
        flips = getattr(preprocessor, '_channel_conversion', False)
        to_rgb = getattr(preprocessor, 'to_rgb', flips)
        return cls(mean.double().cpu(), std.double().cpu(), bool(to_rgb))

    @classmethod
    def of_pretrained(
        cls, network: nn.Module, config: Mapping[str, Any]
    ) -> Optional[Format]:
        """Read what timm or transformers trained a network with, if any."""
        if isinstance(network, TimmClassifier):
            known = getattr(network.model, 'pretrained_cfg', None) or {}
            mean, std = known.get('mean'), known.get('std')
        elif isinstance(network, HuggingFaceClassifier):
            mean, std = _of_processor(config)
        else:
            return None
        if mean is None or std is None:
            print_log(
                "The teacher has no `data_preprocessor`, and its library's "
                "mean and std are not known. It gets the student's images "
                'as they are.',
                'current',
                logging.WARNING,
            )
            return None
        mean, std = (
            255 * torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)
            for values in (mean, std)
        )
        return cls(mean, std, to_rgb=True)


def _of_processor(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return mean and std of a model's image processor in transformers."""
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(
            config['model_name'],
            local_files_only=not config.get('pretrained'),
        )
    except (OSError, ValueError, ImportError):
        return None, None
    mean = getattr(processor, 'image_mean', None)
    return mean, getattr(processor, 'image_std', None)
