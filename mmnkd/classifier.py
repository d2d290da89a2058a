"""Classifiers that are distilled while they train, and plain otherwise.

The data flow of a training step: the student computes its own loss while taps
record its outputs; the teacher looks at the same images; each distillation
loss reads what it asked for; the loss dict goes to mmengine.
"""

from __future__ import annotations

import logging
from typing import Any, Optional

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmpretrain.models import (
    HuggingFaceClassifier,
    ImageClassifier,
    TimmClassifier,
)
from torch import Tensor

from .logits import as_logits, check_head
from .loss_dict import LossDict
from .taps import check_taps, recorded
from .teacher import FrozenTeacher

__all__ = [
    'DistillationMixin',
    'DistilledClassifier',
    'DistilledHuggingFaceClassifier',
    'DistilledTimmClassifier',
]


class DistillationMixin(BaseModel):
    """Add distillation losses to a classifier's own loss.

    For a classifier of your own, register ``class DistilledMine(
    DistillationMixin, Mine)``. Its ``loss(inputs, data_samples)`` is called
    once a step, as it is, with ``loss`` logged as ``loss_cls``; what the
    distillation losses are logged as, :class:`LossDict` says. mmengine sums
    them all.

    Args:
        *args: Those of the classifier.
        teacher: Arguments of :class:`FrozenTeacher`, which is built when
            training starts and is no part of the model.
        distill_losses: Losses by name, see :mod:`mmnkd.losses`. Without any,
            or with weights of 0, training is that of the plain classifier,
            bit for bit.
        **kwargs: Those of the classifier.

    Raises:
        ValueError, TypeError: What was expected and what came.
    """

    #: The sub-module that puts out the student's logits.
    logits_tap = 'head'

    def __init__(
        self,
        *args: Any,
        teacher: Optional[dict] = None,
        distill_losses: Optional[dict] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.distill_losses = LossDict(distill_losses or {})
        self.teacher = None if teacher is None else FrozenTeacher(**teacher)
        self._check_student_taps()
        self._check_teacher()
        self._register_load_state_dict_pre_hook(_restore_loss_names)

    def init_weights(self) -> None:
        """Initialise the student, and build the teacher: training starts."""
        super().init_weights()
        self._build_teacher()

    def loss(self, inputs: Tensor, data_samples: list, **kwargs: Any) -> dict:
        """Compute the student's own loss and the distillation losses.

        Args:
            inputs: (N, channels, height, width) preprocessed images.
            data_samples: N samples with ``gt_label``, or with ``gt_score``
                where labels are mixed.
            **kwargs: Those of the classifier.

        Returns:
            Losses, and what else the student's head logs, by name.
        """
        active = self.distill_losses.active()
        names = self.distill_losses.student_names(active)
        modules = {name: self._module_name(name) for name in names}
        with recorded(self, set(modules.values())) as outputs:
            own = super().loss(inputs, data_samples, **kwargs)
        # mmengine sums every key that contains 'loss', then logs the sum as
        # 'loss', which a component of that name would overwrite.
        losses = {'loss_cls' if k == 'loss' else k: v for k, v in own.items()}
        if active:
            student = {name: outputs[modules[name]] for name in names}
            losses.update(self._distil(student, inputs, data_samples))
        return losses

    def _distil(
        self, student: dict[str, Any], inputs: Tensor, data_samples: list
    ) -> dict[str, Tensor]:
        if 'logits' in student:
            student['logits'] = as_logits(
                student['logits'], self, self.logits_tap, 'student_taps'
            )
        teacher = self._ask_teacher(inputs)
        if 'logits' in teacher and 'logits' in student:
            _check_same_classes(student['logits'], teacher['logits'])
        return self.distill_losses(student, teacher, _target(data_samples))

    def _ask_teacher(self, inputs: Tensor) -> dict[str, Any]:
        names = self.distill_losses.teacher_names(self.distill_losses.active())
        if not names:
            return {}
        assert self.teacher is not None  # _check_teacher
        self._build_teacher()
        return self.teacher(inputs, names)

    def _build_teacher(self) -> None:
        names = self.distill_losses.teacher_names(self.distill_losses)
        if self.teacher is not None and names:
            self.teacher.build(self.data_preprocessor, names)

    def _check_student_taps(self) -> None:
        names = self.distill_losses.student_names(self.distill_losses)
        modules = [self._module_name(name) for name in names]
        check_taps(self, modules, 'student')
        if 'logits' in names:
            check_head(self, self.logits_tap)

    def _check_teacher(self) -> None:
        names = self.distill_losses.teacher_names(self.distill_losses)
        if names and self.teacher is None:
            raise ValueError(
                f'Expected a `teacher`, which {list(self.distill_losses)} '
                'compare the student with, but got none.'
            )
        if self.teacher is not None and not names:
            print_log(
                f'No loss of {list(self.distill_losses)} reads anything of '
                'the `teacher`: it will not be built.',
                'current',
                logging.WARNING,
            )

    def _module_name(self, tap: str) -> str:
        return self.logits_tap if tap == 'logits' else tap


@MODELS.register_module()
class DistilledClassifier(DistillationMixin, ImageClassifier):
    """An ``ImageClassifier`` of mmpretrain that is distilled."""


@MODELS.register_module()
class DistilledTimmClassifier(DistillationMixin, TimmClassifier):
    """A ``TimmClassifier`` of mmpretrain that is distilled."""

    logits_tap = 'model'


@MODELS.register_module()
class DistilledHuggingFaceClassifier(DistillationMixin, HuggingFaceClassifier):
    """A ``HuggingFaceClassifier`` of mmpretrain that is distilled."""

    logits_tap = 'model'


def _target(data_samples: list) -> Optional[Tensor]:
    """Return (N,) labels or (N, C) scores, as mmpretrain's heads read them.

    None where a sample has neither (several tasks): losses on features need
    no target, and those on logits say what they expected.
    """
    for name, join in (('gt_score', torch.stack), ('gt_label', torch.cat)):
        if name in data_samples[0]:
            return join([getattr(sample, name) for sample in data_samples])
    return None


def _check_same_classes(student: Tensor, teacher: Tensor) -> None:
    if student.shape[1] != teacher.shape[1]:
        raise ValueError(
            f'Expected student and teacher to have the same classes, but the '
            f'student has {student.shape[1]} and the teacher '
            f"{teacher.shape[1]}. Say which of the teacher's classes are the "
            "student's, in its order: teacher=dict(class_indices=[...])."
        )


def _restore_loss_names(state_dict: dict, prefix: str, *args: Any) -> None:
    """Undo what TimmClassifier and HuggingFaceClassifier do on loading.

    They put ``model.`` before every key, those of distillation losses too.
    """
    wrong = f'{prefix}model.distill_losses.'
    for key in [key for key in state_dict if key.startswith(wrong)]:
        state_dict[key.replace('model.', '', 1)] = state_dict.pop(key)
