"""The teacher: built late, loaded strictly, frozen, and no part of the model.

It is a plain object. So the student's parameters, modules, state_dict, EMA
copies and DDP wrapper never see it.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Collection, Sequence
from typing import Any, Optional, Union

import torch
from mmengine.logging import print_log
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..checkpoint import load_strictly, read_state_dict
from ..classifier.dry_run import explained
from .images import ImageAdapter, height_and_width
from ..classifier.logits import as_logits
from .source import read_model_config
from ..taps import check_taps
from .forward import Forward, joined
from .options import (
    NOT_GIVEN,
    check_class_indices,
    check_source,
    initialise,
    speedup_for,
)
from .packing import unpack

__all__ = ['FrozenTeacher']


class FrozenTeacher:
    """Hold a teacher network that looks at the student's images.

    Nothing is read or built before :meth:`build`, so that a distilled config
    can be tested where there is no teacher file.

    Args:
        model: A config file (a path, or ``'mmpretrain::resnet/….py'``), a name
            from mmpretrain's model zoo, or a model dict. The images are
            converted for the teacher by the config's ``data_preprocessor``;
            a model dict without one takes the student's images as they are.
        checkpoint: Path or URL of the weights, which must fit name by name.
            None keeps the model's own initialisation: that of its
            ``init_cfg``, of ``pretrained=True`` in timm, or a random one.
        logits_tap: The sub-module that puts out the logits. None: what the
            network as a whole puts out.
        mode: 'eval', or 'train' as in the authors' released code: dropout is
            on, and BN uses batch statistics and updates its running ones.
        input_size: Height and width (an int: both) that the teacher's images
            are resized to. None keeps the student's.
        class_indices: For each class of the student its index among those of
            the teacher, where the two differ.
        accelerate: Whether to fold batch normalisation into convolutions and
            to lay out memory for speed, in eval mode: the same outputs but
            for rounding, which the first batch shows. False: as it is.
        dtype: 'bfloat16' or 'float16', in which autocast runs the network.
            None: float32, or what the student runs in.
        compile: Whether to use torch.compile.
        tolerance: The largest error in probability that `dtype` may bring for
            the first images. Of logits relative to their standard deviation,
            and of features to the largest, it is 10 times that. Beyond it the
            network runs without `dtype`.
        micro_batch_size: Images at a time, to save memory; None for all.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: No `checkpoint` is given, or an argument has a value that
            it can't have.
    """

    def __init__(
        self,
        model: Union[str, os.PathLike, dict],
        checkpoint: Union[str, os.PathLike, None] = NOT_GIVEN,
        *,
        logits_tap: Optional[str] = None,
        mode: str = 'eval',
        input_size: Union[int, Sequence[int], None] = None,
        class_indices: Optional[Sequence[int]] = None,
        accelerate: bool = True,
        dtype: Union[str, torch.dtype, None] = None,
        compile: bool = False,
        tolerance: float = 0.1,
        micro_batch_size: Optional[int] = None,
    ) -> None:
        check_source(model, checkpoint, mode)
        self.model = model
        self.checkpoint = None if checkpoint is None else str(checkpoint)
        self.logits_tap = logits_tap
        self.mode = mode
        self.input_size = height_and_width(input_size)
        self.class_indices = check_class_indices(class_indices)
        self.micro_batch_size = micro_batch_size
        self.speedup = speedup_for(
            mode,
            accelerate=accelerate,
            dtype=dtype,
            compile=compile,
            tolerance=tolerance,
            micro_batch_size=micro_batch_size,
        )
        self._forward: Optional[Forward] = None
        self._is_fast = False
        self._taps: set[str] = set()

    @property
    def network(self) -> Optional[nn.Module]:
        """Return the network, None before :meth:`build`.

        After the first batch it is another one, accelerated: some weights
        are in other modules then, or in no ``state_dict``.
        """
        return None if self._forward is None else self._forward.network

    def __deepcopy__(self, memo: dict) -> FrozenTeacher:
        # An EMA copy of the student shares the teacher: it never changes.
        return self

    def __getstate__(self) -> dict:
        # A pickled student carries the recipe of its teacher, not the weights.
        return {**vars(self), '_forward': None, '_is_fast': False}

    def build(
        self, student_preprocessor: nn.Module, taps: Collection[str] = ()
    ) -> None:
        """Build the network and load its weights, if that isn't done yet.

        Args:
            student_preprocessor: What the student's images went through.
            taps: What will be asked for, to be checked now.

        Raises:
            FileNotFoundError, ValueError: The config, the weights or a tap
                isn't what it should be.
        """
        if self.network is not None:
            return
        # The student's random numbers are those of a run without a teacher.
        with torch.random.fork_rng(devices=[]):
            config = read_model_config(self.model)
            network = self._new_network(config, student_preprocessor, taps)
            if self.checkpoint is not None:
                weights = read_state_dict(self.checkpoint)
                load_strictly(network, weights, self.checkpoint)
            else:
                initialise(network)
        network.requires_grad_(False).train(self.mode == 'train')
        self._forward = Forward(network)
        self._taps = set(self._modules(taps).values())
        self._millions = sum(p.numel() for p in network.parameters()) / 1e6
        self._move(torch.device('cpu'))
        print_log(f'Built the {self!r}', 'current')
        if self.checkpoint is None:
            print_log(
                'The teacher has no `checkpoint`. Its weights are random, '
                'unless its config loads some.',
                'current',
                logging.WARNING,
            )

    def dry_run(
        self,
        student_preprocessor: nn.Module,
        images: Tensor,
        taps: Collection[str],
    ) -> dict[str, Any]:
        """Run an untrained network, to see the shapes of what it puts out.

        No weights are read, and nothing is kept.

        Args:
            student_preprocessor: What the student's images went through.
            images: (N, channels, height, width), as the student gets them.
            taps: What is wanted, see :meth:`__call__`.

        Returns:
            The outputs by tap.
        """
        trial = copy.copy(self)
        config = read_model_config(self.model)
        if 'pretrained' in config:  # of timm and transformers: a download
            config['pretrained'] = False
        with torch.random.fork_rng(devices=[]):
            network = trial._new_network(config, student_preprocessor, taps)
        trial._forward = Forward(network.eval())
        trial._move(images.device)

        def run(images: Tensor) -> Any:
            with explained(network, images):
                return network(images)

        trial._forward = Forward(network, run=run)
        trial.speedup = None
        return trial._run(images, taps)

    def image_size(self, tap: str, given: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) that images of size `given` come to here."""
        return self.input_size or given

    def _new_network(
        self, config: dict, student_preprocessor: nn.Module, taps: Collection
    ) -> nn.Module:
        has_own_images = config.get('data_preprocessor') is not None
        network = MODELS.build(config)
        check_taps(network, self._modules(taps).values(), 'teacher')
        self._adapt = ImageAdapter(
            student_preprocessor,
            network.data_preprocessor if has_own_images else None,
            self.input_size,
        )
        return network

    def __repr__(self) -> str:
        if self.network is None:
            return f'teacher {self.model!r}, not built yet'
        return (
            f'teacher {type(self.network).__name__}: {self._millions:.2f} M '
            f'parameters from {self.checkpoint}, in {self.mode} mode, images: '
            f'{self._adapt!r}'
        )

    def __call__(
        self, images: Tensor, taps: Collection[str] = ('logits',)
    ) -> dict[str, Any]:
        """Run the teacher on the student's images.

        Args:
            images: (N, channels, height, width), as the student gets them.
            taps: What is wanted: ``'logits'``, with the student's classes
                picked, or outputs of sub-modules.

        Returns:
            The outputs by tap.

        Raises:
            ValueError: The network puts out no logits, or not enough.
        """
        parts = [
            self._run(some, taps)
            for some in images.split(self.micro_batch_size or len(images))
        ]
        return {tap: joined([part[tap] for part in parts]) for tap in taps}

    @torch.no_grad()
    def _run(self, images: Tensor, taps: Collection[str]) -> dict[str, Any]:
        assert self._forward is not None, 'build() comes first'
        if self._device != images.device:
            self._move(images.device)
        modules = self._modules(taps)
        images = self._adapt(images)
        self._speed_up(images, set(modules.values()), 'logits' in taps)
        result, recorded = self._forward(images, set(modules.values()))
        outputs = {tap: recorded[name] for tap, name in modules.items()}
        if 'logits' in taps:
            logits = self._logits(outputs.get('logits', result))
            outputs['logits'] = self._pick_classes(logits)
        return outputs

    @torch.compiler.disable
    def _speed_up(
        self, images: Tensor, names: set[str], with_logits: bool
    ) -> None:
        assert self._forward is not None
        if self.speedup is None or images.is_meta:  # which has no values
            return
        if not self._is_fast:
            self._taps |= names
            self._forward = self.speedup(
                self._forward,
                images,
                self._taps,
                lambda result, outputs: (
                    self._logits(outputs.get(self.logits_tap or '', result))
                    if with_logits
                    else None
                ),
            )
            self._is_fast = True
        elif not names <= self._taps:
            raise ValueError(
                f'Expected taps out of {sorted(self._taps)}, for which the '
                'teacher was accelerated, but got '
                f'{sorted(names - self._taps)} too. Name them all in build(), '
                'or accelerate=False.'
            )

    def _logits(self, output: Any) -> Tensor:
        assert self.network is not None
        return as_logits(
            output,
            self.network,
            self.logits_tap or '',
            'teacher=dict(logits_tap={!r})',
        )

    def _modules(self, taps: Collection[str]) -> dict[str, str]:
        """Map taps to names of sub-modules; the whole network has none."""
        modules = {tap: tap for tap in taps if tap != 'logits'}
        if 'logits' in taps and self.logits_tap:
            modules['logits'] = self.logits_tap
        return modules

    def _move(self, device: torch.device) -> None:
        assert self.network is not None
        unpack(self.network)
        self._forward = Forward(self.network.to(device))
        self._is_fast = False
        if self.class_indices is not None:
            self._columns = torch.tensor(self.class_indices, device=device)
        self._device = device

    def _pick_classes(self, logits: Tensor) -> Tensor:
        if self.class_indices is None:
            return logits
        highest = max(self.class_indices)
        if highest >= logits.shape[1]:
            raise ValueError(
                'Expected `teacher.class_indices` among the '
                f'{logits.shape[1]} classes of the teacher, but got {highest}.'
            )
        return logits.index_select(1, self._columns)
