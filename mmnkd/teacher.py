"""The teacher: built late, loaded strictly, frozen, and no part of the model.

It is a plain object. So the student's parameters, modules, state_dict, EMA
copies and DDP wrapper never see it.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Optional, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmpretrain.models import HuggingFaceClassifier, TimmClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from .checkpoint import load_strictly, read_state_dict
from .dry_run import explained
from .images import ImageAdapter, height_and_width
from .logits import as_logits
from .model_config import find_weights, read_model_config
from .taps import check_taps, recorded

__all__ = ['FrozenTeacher']

_NOT_GIVEN: Any = object()


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

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: No `checkpoint` is given, or an argument has a value that
            it can't have.
    """

    def __init__(
        self,
        model: Union[str, os.PathLike, dict],
        checkpoint: Union[str, os.PathLike, None] = _NOT_GIVEN,
        *,
        logits_tap: Optional[str] = None,
        mode: str = 'eval',
        input_size: Union[int, Sequence[int], None] = None,
        class_indices: Optional[Sequence[int]] = None,
    ) -> None:
        if checkpoint is _NOT_GIVEN:
            known = find_weights(model)
            example = f' (the model zoo has {known!r})' if known else ''
            raise ValueError(
                'Expected `teacher.checkpoint`, but got none. Give the path '
                f"or URL of the teacher's weights{example}, or None to keep "
                "the model's own initialisation."
            )
        if mode not in ('eval', 'train'):
            raise ValueError(
                "Expected `teacher.mode` to be 'eval' or 'train', but got "
                f'{mode!r}.'
            )
        if not isinstance(checkpoint, (str, os.PathLike, type(None))):
            raise TypeError(
                'Expected `teacher.checkpoint` to be a path, a URL or None, '
                f'but got {checkpoint!r}.'
            )
        self.model = model
        self.checkpoint = None if checkpoint is None else str(checkpoint)
        self.logits_tap = logits_tap
        self.mode = mode
        self.input_size = height_and_width(input_size)
        self.class_indices = _class_indices(class_indices)
        self.network: Optional[nn.Module] = None

    def __deepcopy__(self, memo: dict) -> FrozenTeacher:
        # An EMA copy of the student shares the teacher: it never changes.
        return self

    def __getstate__(self) -> dict:
        # A pickled student carries the recipe of its teacher, not the weights.
        return {**vars(self), 'network': None}

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
                _initialise(network)
        self.network = network.requires_grad_(False)
        self.network.train(self.mode == 'train')
        self._move(torch.device('cpu'))
        print_log(f'Built the {self!r}', 'current')

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
        trial.network = network.eval()
        trial._move(images.device)
        return trial._run(images, taps, explained(network, images))

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
        millions = sum(p.numel() for p in self.network.parameters()) / 1e6
        return (
            f'teacher {type(self.network).__name__}: {millions:.2f} M '
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
        return self._run(images, taps, contextlib.nullcontext())

    @torch.no_grad()
    def _run(
        self,
        images: Tensor,
        taps: Collection[str],
        guard: AbstractContextManager,
    ) -> dict[str, Any]:
        assert self.network is not None, 'build() comes first'
        if self._device != images.device:
            self._move(images.device)
        modules = self._modules(taps)
        with recorded(self.network, set(modules.values())) as recorded_outputs:
            adapted = self._adapt(images)
            with guard:
                result = self.network(adapted)
        outputs = {tap: recorded_outputs[m] for tap, m in modules.items()}
        if 'logits' in taps:
            logits = as_logits(
                outputs.get('logits', result),
                self.network,
                self.logits_tap or '',
                'teacher=dict(logits_tap={!r})',
            )
            outputs['logits'] = self._pick_classes(logits)
        return outputs

    def _modules(self, taps: Collection[str]) -> dict[str, str]:
        """Map taps to names of sub-modules; the whole network has none."""
        modules = {tap: tap for tap in taps if tap != 'logits'}
        if 'logits' in taps and self.logits_tap:
            modules['logits'] = self.logits_tap
        return modules

    def _move(self, device: torch.device) -> None:
        assert self.network is not None
        self.network.to(device)
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


def _initialise(network: nn.Module) -> None:
    """Let the network initialise itself, without undoing `pretrained=True`."""
    if isinstance(network, (TimmClassifier, HuggingFaceClassifier)):
        # The other library has done it. mmengine would call its
        # `init_weights`, which some networks of timm have, once more.
        network.model.is_init = True
    if isinstance(network, BaseModule):
        network.init_weights()


def _class_indices(indices: Optional[Sequence[int]]) -> Optional[list[int]]:
    if indices is None:
        return None
    if (
        not isinstance(indices, (tuple, list))
        or not indices
        or not all(type(i) is int and i >= 0 for i in indices)
    ):
        raise ValueError(
            'Expected `teacher.class_indices` to be a list of ints >= 0, one '
            f'for each class of the student, but got {indices!r}.'
        )
    return list(indices)
