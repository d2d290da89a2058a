"""The mixin: a training step of a distilled classifier.

The data flow of a step: the student computes its own loss while taps record
its outputs; the teacher looks at the same images; each distillation loss
reads what it asked for; the loss dict goes to mmengine.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, PretrainedInit
from torch import Tensor, nn

from .._old_checks import check_arguments, check_not_negative
from .dry_run import blank_image, dry_run
from .logits import as_logits, check_head
from .losses import (
    LossDict,
    compute,
    measure,
    merge,
    needing_dry_run,
    student_names,
    teacher_names,
    tell_image_sizes,
    weighted,
)
from ..losses.schedule import Schedule, WeightSchedule
from ..taps import check_taps, recorded
from ..teacher import FrozenTeacher, TeacherEnsemble

__all__ = ['DistillationMixin']


class DistillationMixin(BaseModel):
    """Add distillation losses to a classifier's own loss.

    For a classifier of your own, register ``class DistilledMine(
    DistillationMixin, Mine)``. Its ``loss(inputs, data_samples)`` is called
    once a step, as it is, with ``loss`` logged as ``loss_cls``; what the
    distillation losses are logged as, :func:`mmnkd.loss_dict.compute` says.
    mmengine sums them all.

    Args:
        *args: Those of the classifier.
        teacher: Arguments of :class:`FrozenTeacher`, or a list of them for
            several, see :class:`TeacherEnsemble`; built when training starts,
            and no part of the model.
        distill_losses: Losses by name, see :mod:`mmnkd.losses`. Without any,
            or with weights of 0, training is that of the plain classifier,
            bit for bit.
        student_loss_weight: Factor >= 0 of the classifier's own loss.
        student_loss_schedule: Another one, over epochs or iterations: one
            scheduler or a list of them, written as in ``param_scheduler``.
        logits_tap: The sub-module that puts out the student's logits; None
            for the class's own choice.
        **kwargs: Those of the classifier.

    Raises:
        ValueError, TypeError: The teacher's arguments or the losses are not
            as described there, a loss reads what the student hasn't got, or
            a loss needs a teacher and there is none.
    """

    logits_tap = 'head'

    def __init__(
        self,
        *args: Any,
        teacher: Union[dict, Sequence[dict], None] = None,
        distill_losses: Optional[dict] = None,
        student_loss_weight: float = 1.0,
        student_loss_schedule: Schedule = None,
        logits_tap: Optional[str] = None,
        **kwargs: Any,
    ) -> None:
        bases = type(self).__mro__
        check_arguments(
            type(self),
            kwargs,
            'model',
            bases=bases[bases.index(DistillationMixin) :],
            may_miss=bool(args),
        )
        super().__init__(*args, **kwargs)
        check_not_negative('student_loss_weight', student_loss_weight)
        self.student_loss_weight = student_loss_weight
        self.student_loss_schedule = WeightSchedule.of(student_loss_schedule)
        self.logits_tap = logits_tap or self.logits_tap
        self.distill_losses = LossDict(distill_losses or {})
        self.teacher = None if teacher is None else _teacher(teacher)
        self._check_student_taps()
        self._check_teacher()
        self._measure()

    def init_weights(self) -> None:
        """Initialise the student, and build the teacher: training starts."""
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] in (
            'Pretrained',
            PretrainedInit,
        ):
            super().init_weights()  # from a checkpoint, of the losses too
        else:
            self._init_student()
            self.distill_losses.init_weights()
        self._build_teacher()

    def _init_student(self) -> None:
        # An `init_cfg` of the classifier is for all of its modules, and would
        # draw random numbers for the losses before the student's.
        losses = self.distill_losses
        self._modules['distill_losses'] = nn.Identity()
        try:
            super().init_weights()
        finally:
            self._modules['distill_losses'] = losses

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
        modules = self._tapped(student_names(active))
        with recorded(self, modules.values()) as outputs:
            own = super().loss(inputs, data_samples, **kwargs)
        # mmengine sums every key that contains 'loss', then logs the sum as
        # 'loss', which a component of that name would overwrite.
        if 'loss' in own:
            own = merge({'loss_cls': own.pop('loss')}, own)
        own = self._weighted(own)
        if not active:
            return own
        student = {tap: outputs[name] for tap, name in modules.items()}
        teacher = self._teacher_outputs(active, inputs)
        self._check_logits(student, teacher)
        target = _target(data_samples)
        tell_image_sizes(active, inputs, self.teacher)
        return merge(own, compute(active, student, teacher, target))

    def _teacher_outputs(
        self, losses: dict[str, nn.Module], inputs: Tensor
    ) -> dict[str, Any]:
        names = teacher_names(losses)
        if not names:
            return {}
        assert self.teacher is not None  # _check_teacher
        self._build_teacher()
        return self.teacher(inputs, names)

    def _weighted(self, own: dict[str, Any]) -> dict[str, Any]:
        weight = self.student_loss_weight
        if self.student_loss_schedule is not None:
            factor = self.student_loss_schedule.factor()
            own = merge(own, {'weight_student': torch.tensor(factor)})
            weight *= factor
        return own if weight == 1 else weighted(own, weight)

    def _measure(self) -> None:
        """Let losses make parameters that fit what the networks put out.

        Now, because the optimizer and DDP want all parameters; and only for
        losses whose channels aren't declared.
        """
        losses = needing_dry_run(self.distill_losses.active())
        if not losses:
            return
        image = blank_image(self)
        modules = self._tapped(student_names(losses))
        outputs = dry_run(self, image, modules.values())
        student = {tap: outputs[name] for tap, name in modules.items()}
        teacher: dict[str, Any] = {}
        names = teacher_names(losses)
        if names:
            assert self.teacher is not None  # _check_teacher
            try:
                teacher = self.teacher.dry_run(
                    self.data_preprocessor, image, names
                )
            except OSError:  # its config isn't there
                return  # no training, then: init_weights says so
        self._check_logits(student, teacher)
        tell_image_sizes(losses, image, self.teacher)
        measure(losses, student, teacher)

    def _build_teacher(self) -> None:
        names = teacher_names(self.distill_losses)
        if self.teacher is not None and names:
            self.teacher.build(self.data_preprocessor, names)

    def _check_logits(
        self, student: dict[str, Any], teacher: dict[str, Any]
    ) -> None:
        if 'logits' not in student:
            return
        student['logits'] = as_logits(
            student['logits'], self, self.logits_tap, 'logits_tap={!r}'
        )
        classes = student['logits'].shape[1]
        if 'logits' in teacher and teacher['logits'].shape[1] != classes:
            raise ValueError(
                'Expected student and teacher to have the same classes, but '
                f'the student has {classes} and the teacher '
                f'{teacher["logits"].shape[1]}, or as many `class_indices`. '
                'Give it one for each class of the student, in its order: '
                'teacher=dict(class_indices=[...]).'
            )

    def _check_student_taps(self) -> None:
        names = student_names(self.distill_losses)
        check_taps(self, self._tapped(names).values(), 'student')
        if 'logits' in names:
            check_head(self, self.logits_tap)

    def _check_teacher(self) -> None:
        names = teacher_names(self.distill_losses)
        if names and self.teacher is None:
            needing = [
                name
                for name, loss in self.distill_losses.items()
                if teacher_names({name: loss})
            ]
            raise ValueError(
                f'Expected a `teacher`, which {needing} of `distill_losses` '
                'compare the student with, but got none.'
            )
        if self.teacher is not None and not names:
            found = list(self.distill_losses)
            print_log(
                'The `teacher` will not be built, for '
                + (
                    f'none of the `distill_losses` {found} reads it.'
                    if found
                    else 'without `distill_losses` nothing is distilled.'
                ),
                'current',
                logging.WARNING,
            )

    def _tapped(self, taps: set[str]) -> dict[str, str]:
        """Map taps to names of sub-modules."""
        named = {tap: tap for tap in taps}
        if 'logits' in named:
            named['logits'] = self.logits_tap
        return named


def _teacher(arguments: Any) -> Union[FrozenTeacher, TeacherEnsemble]:
    if isinstance(arguments, Mapping):
        check_arguments(FrozenTeacher, arguments, 'teacher')
        return FrozenTeacher(**arguments)
    return TeacherEnsemble(arguments)


def _target(data_samples: list) -> Optional[Tensor]:
    """Return (N,) labels or (N, C) scores, as mmpretrain's heads read them.

    None where a sample has neither (several tasks): losses on features need
    no target, and those on logits say what they expected.
    """
    for name, join in (('gt_score', torch.stack), ('gt_label', torch.cat)):
        if name in data_samples[0]:
            return join([getattr(sample, name) for sample in data_samples])
    return None
