"""A built teacher: a frozen network that answers for the student's images."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Optional

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..taps import TapError, as_logits, check_taps
from .fast import Forward, accelerated
from .images import ImageAdapter


class Teacher:
    """Answer with a network's logits and features, without a gradient.

    Args:
        network: The network, in the mode in which it is to answer.
        adapt: Converts the student's images.
        taps: What will be asked for.
        logits_tap: The sub-module that puts out the logits; '' for the whole
            network.
        class_indices: The teacher's class for each of the student's, or None.
        trained_size: (height, width) of the images it was trained on.
        speedup: Arguments `accelerate`, `dtype` and `compile` of
            :func:`accelerated`; none for the plain network.
    """

    def __init__(
        self,
        network: nn.Module,
        adapt: ImageAdapter,
        taps: Collection[str],
        *,
        logits_tap: str = '',
        class_indices: Optional[Sequence[int]] = None,
        trained_size: Optional[tuple[int, int]] = None,
        speedup: Mapping[str, Any],
    ) -> None:
        self.network = network.requires_grad_(False)
        self.adapt = adapt
        self.logits_tap = logits_tap
        self.columns: Optional[Tensor] = None
        if class_indices is not None:
            self.columns = torch.tensor(class_indices)
            self.highest_class = max(class_indices)
        self.trained_size = trained_size
        self.speedup = speedup
        self.taps: dict[str, str] = {}  # and the sub-module of each
        self.recorded_taps: dict[str, str] = {}
        self.device: Optional[torch.device] = None
        self.forward = Forward(network)
        self.expect(taps)

    def expect(self, taps: Collection[str]) -> None:
        """Check taps, and compare their outputs too before going faster."""
        if self.taps.keys() >= set(taps):
            return
        modules = {tap: tap for tap in taps}
        if 'logits' in modules:
            modules['logits'] = self.logits_tap
            if not self.logits_tap:
                _check_classes(self.network)
        check_taps(self.network, filter(None, modules.values()), 'teacher')
        self.taps.update(modules)
        # What the network as a whole puts out needs no hook.
        self.recorded_taps = {k: v for k, v in self.taps.items() if v}
        self.device = None  # the next batch is compared

    @torch.no_grad()
    def __call__(
        self, images: Tensor, taps: Collection[str] = ('logits',)
    ) -> dict[str, Any]:
        """Answer for the student's images.

        Args:
            images: (N, channels, height, width), as the student gets them.
            taps: What is wanted: ``'logits'``, with the student's classes
                picked, or outputs of sub-modules.

        Returns:
            The outputs by tap.

        Raises:
            ValueError: The network puts out no logits, or not enough.
        """
        self.expect(taps)
        images = self.adapt(images)
        is_first = self.device != images.device
        with _explained(self.network, images) if is_first else nullcontext():
            if is_first:
                self._start(images)
            result, outputs = self.forward(images, self.recorded_taps)
        if 'logits' in taps:
            outputs['logits'] = self._logits(result, outputs)
        return outputs

    def _start(self, images: Tensor) -> None:
        """Follow the first batch to its device, and go faster there."""
        self.device = images.device
        self.forward = Forward(self.network.to(self.device))
        if self.columns is not None:
            self.columns = self.columns.to(self.device)
        size = (images.shape[-2], images.shape[-1])
        if self.trained_size not in (None, size):
            print_log(
                f'The teacher was trained on images of {self.trained_size} '
                f'and gets {size}. To resize them: teacher.input_size='
                f'{self.trained_size}.',
                'current',
                logging.WARNING,
            )
        if any(self.speedup.values()) and not images.is_meta:  # has no values
            self.forward = accelerated(
                self.forward,
                images,
                self.recorded_taps,
                self._logits if 'logits' in self.taps else None,
                **self.speedup,
            )

    def _logits(self, result: Any, outputs: Mapping[str, Any]) -> Tensor:
        """Return (N, C) logits of the student's classes."""
        output = outputs.get('logits', result)
        option = 'teacher.logits_tap'
        logits = as_logits(output, self.network, self.logits_tap, option)
        if self.columns is None:
            return logits
        if self.highest_class >= logits.shape[1]:
            raise ValueError(
                'Expected `teacher.class_indices` among the '
                f'{logits.shape[1]} classes of the teacher, but got '
                f'{self.highest_class}.'
            )
        return logits.index_select(1, self.columns)


@contextmanager
def _explained(network: nn.Module, images: Tensor) -> Iterator[None]:
    """Say what to do where a network doesn't take the images."""
    try:
        yield
    except (TapError, torch.cuda.OutOfMemoryError):
        raise
    except (RuntimeError, AssertionError) as error:  # of shapes
        raise ValueError(
            f'Expected the teacher {type(network).__name__} to take images '
            f'of shape {tuple(images.shape)}, but got: {error}. Set '
            '`teacher.input_size` to the size that it takes, or take a '
            'teacher of images like these.'
        ) from error


def _check_classes(network: nn.Module) -> None:
    """Refuse a network whose output is features, before they are compared."""
    headless = getattr(network, 'head', network) is None
    model = getattr(network, 'model', None)  # of timm
    if headless or getattr(model, 'num_classes', None) == 0:
        raise ValueError(
            f'Expected a teacher with classes, whose logits a loss reads, but '
            f'{type(network).__name__} has no head. Take losses on features, '
            "such as dict(type='FeatureCosineLoss', student_taps=..., "
            'teacher_taps=...).'
        )
