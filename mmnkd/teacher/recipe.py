"""What the user wrote about a teacher, checked; it is built when it is needed.

A recipe is a plain object. So the student's parameters, modules, state_dict,
EMA copies and DDP wrapper never see the network that it builds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from typing import Any, Optional, Union

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmpretrain.models import HuggingFaceClassifier, TimmClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..cache.fingerprint import digest, weights_hash
from ..checkpoint import (
    classes_in,
    load_strictly,
    read_checkpoint,
    weights_in,
)
from ..functional.checks import check_flag
from .arguments import (
    NOT_GIVEN,
    autocast_dtype,
    check_checkpoint,
    check_class_indices,
)
from .images import Format, ImageAdapter, height_and_width
from .source import read_source
from .teacher import Teacher

_OPTIONS = ('logits_tap', 'mode', 'input_size', 'class_indices')


class FrozenTeacher:
    """Describe a teacher network that looks at the student's images.

    Nothing is read or built before :meth:`build`, so that a distilled config
    can be tested where there is no teacher file.

    Args:
        model: A config file (a path, or ``'mmpretrain::resnet/….py'``), a name
            from mmpretrain's model zoo, or a model dict. The images are
            converted for the teacher by the config's ``data_preprocessor``. A
            dict without one takes the student's images as they are; of timm
            and transformers, it takes the mean and std that came with the
            pretrained weights.
        checkpoint: Path or URL of the weights, which must fit name by name.
            None keeps the model's own initialization: that of its
            ``init_cfg``, of ``pretrained=True`` in timm, or a random one.
        logits_tap: The sub-module that puts out the logits. None: what the
            network as a whole puts out.
        mode: 'eval', or 'train' as in the authors' released code: dropout is
            on, and BN uses batch statistics and updates its running ones.
        input_size: Height and width (an int: both) that the teacher's images
            are resized to. None keeps the student's.
        class_indices: For each class of the student its index among the
            teacher's, where the two differ.
        accelerate: Whether to use channels-last memory and to fold batch
            normalization into convolutions, in eval mode: the same outputs
            but for rounding, which the first batch shows.
        dtype: 'bfloat16' or 'float16', in which autocast runs the network;
            refused where the first batch's outputs are off by over 10 %.
            None: float32, or what the student runs in.
        compile: Whether to use torch.compile.

    Attributes:
        network: The plain network, None before :meth:`build`.
        is_built: Whether it can be asked.
        classes: The names of the classes in the checkpoint, None before
            :meth:`build` and where it has none.
        weights_hash: Of parameters and buffers, None before :meth:`build`.

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
    ) -> None:
        check_checkpoint(model, checkpoint)
        check_class_indices(class_indices)
        check_flag('teacher.accelerate', accelerate)
        check_flag('teacher.compile', compile)
        if mode not in ('eval', 'train'):
            raise ValueError(
                "Expected `teacher.mode` to be 'eval' or 'train', but got "
                f'{mode!r}.'
            )
        if mode == 'train' and (dtype is not None or compile):
            raise ValueError(
                'Expected no `dtype` or `compile` of a `teacher` in mode '
                "'train', whose outputs depend on the whole batch and can "
                'not be compared.'
            )
        self.model = model
        self.checkpoint = None if checkpoint is None else str(checkpoint)
        self.logits_tap = logits_tap or ''
        self.mode = mode
        self.input_size = height_and_width(input_size)
        self.class_indices = class_indices
        self.speedup = {
            'accelerate': accelerate and mode == 'eval',
            'dtype': autocast_dtype(dtype),
            'compile': compile,
        }
        self.network: Optional[nn.Module] = None
        self.classes: Optional[list[str]] = None
        self.weights_hash: Optional[str] = None
        self.is_built = False
        self._built: Optional[Teacher] = None

    def __deepcopy__(self, memo: dict) -> FrozenTeacher:
        # An EMA copy of the student shares the teacher: it never changes.
        return self

    def __getstate__(self) -> dict:
        # A pickled student carries the recipe of its teacher, not the weights.
        unbuilt = {'network': None, 'is_built': False, '_built': None}
        return {**vars(self), **unbuilt}

    def build(
        self,
        student_preprocessor: nn.Module,
        taps: Collection[str] = ('logits',),
    ) -> None:
        """Build the network and load its weights, if that isn't done yet.

        Args:
            student_preprocessor: What the student's images went through.
            taps: What will be asked for, to be checked now.

        Raises:
            FileNotFoundError, ValueError: The config, the weights or a tap
                isn't what it should be, or the processes have different
                weights.
        """
        if self._built is not None:
            self._built.expect(taps)
            return
        teacher = self._assemble(student_preprocessor, taps, load=True)
        found = weights_hash(teacher.network)
        _check_same_on_ranks(found)
        millions = sum(p.numel() for p in teacher.network.parameters()) / 1e6
        print_log(
            f'Built the teacher {type(teacher.network).__name__}: '
            f'{millions:.2f} M parameters from {self.checkpoint}, in '
            f'{self.mode} mode, images: {teacher.adapt!r}',
            'current',
        )
        if self.checkpoint is None:
            print_log(
                'The teacher has no `checkpoint`. Its weights are random, '
                'unless its config loads some.',
                'current',
                logging.WARNING,
            )
        self.network = teacher.network
        self.weights_hash = found
        self._built = teacher
        self.is_built = True

    def untrained(
        self, student_preprocessor: nn.Module, taps: Collection[str]
    ) -> Teacher:
        """Return such a teacher without its weights, to see output sizes."""
        return self._assemble(student_preprocessor, taps, load=False)

    def __call__(
        self,
        images: Tensor,
        taps: Collection[str] = ('logits',),
        samples: Optional[Sequence[Any]] = None,
    ) -> dict[str, Any]:
        """Answer for the student's images, see :class:`Teacher`.

        `samples` are for stored teachers, and not used.
        """
        if self._built is None:
            raise RuntimeError('Expected `build()` before the first images.')
        return self._built(images, taps)

    def adapted(self, images: Tensor) -> Tensor:
        """Return the student's images as the built network gets them."""
        assert self._built is not None
        return self._built.adapt(images)

    def fingerprint(self) -> dict[str, str]:
        """Return hashes of the built network's config and weights."""
        config = dict(read_source(self.model).config)
        options = {k: getattr(self, k) for k in _OPTIONS}
        options['dtype'] = self.speedup['dtype']
        assert self.weights_hash is not None
        return {
            'config': digest([config, options]),
            'weights': self.weights_hash,
        }

    def __repr__(self) -> str:
        built = '' if self._built else ', not built yet'
        return f'teacher {self.model!r} from {self.checkpoint}{built}'

    def _assemble(
        self,
        student_preprocessor: nn.Module,
        taps: Collection[str],
        *,
        load: bool,
    ) -> Teacher:
        config, size, _ = read_source(self.model)
        if not load and 'pretrained' in config:  # timm and transformers would
            config['pretrained'] = False  # download
        has_own_format = config.get('data_preprocessor') is not None
        # The student's random numbers are those of a run without a teacher.
        with torch.random.fork_rng(devices=[]):
            network = MODELS.build(config)
            if load:
                self._load(network)
        own = Format.of(network.data_preprocessor) if has_own_format else None
        if isinstance(network, TimmClassifier):
            size = tuple(network.model.pretrained_cfg['input_size'][1:])
        return Teacher(
            network.train(load and self.mode == 'train'),
            ImageAdapter(
                Format.of(student_preprocessor),
                own or Format.of_pretrained(network, config),
                self.input_size,
            ),
            taps,
            logits_tap=self.logits_tap,
            class_indices=self.class_indices,
            # Who sets a size, or only looks at shapes, needs no warning.
            trained_size=None if self.input_size or not load else size,
            speedup=self.speedup if load else {},
        )

    def _load(self, network: nn.Module) -> None:
        if self.checkpoint is not None:
            content = read_checkpoint(self.checkpoint)
            self.classes = classes_in(content)
            weights = weights_in(content, self.checkpoint)
            load_strictly(network, weights, self.checkpoint)
        elif isinstance(network, (TimmClassifier, HuggingFaceClassifier)):
            pass  # done by the library; `init_weights` would undo it
        elif isinstance(network, BaseModule):
            network.init_weights()


def _check_same_on_ranks(found: str) -> None:
    hashes = all_gather_object(found)
    if len(set(hashes)) > 1:
        raise ValueError(
            'Expected the same teacher on each process, but got weights with '
            f'the hashes {hashes}, by rank. Give all of them the same '
            'checkpoint; a teacher with random weights needs the same seed.'
        )
