"""The mixin: a training step of a distilled classifier.

The data flow of a step: the student computes its own loss while taps record
its outputs; the teacher looks at the same images; each distillation loss
reads what it asked for; the loss dict goes to mmengine.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Optional, Union

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, PretrainedInit
from torch import Tensor, nn

from ..diagnosis.first_step import FirstStep
from ..functional.checks import check_not_negative
from ..functional.tensors import target_of
from ..losses.schedule import Schedule, WeightSchedule
from ..registry import nearest_argument
from ..taps import as_logits, check_taps, recorded
from ..teacher import make_teacher
from .dry_run import blank_image, dry_run, explained
from .logits import check_head, check_same_classes, check_second_head
from .losses import LossDict, merge, weighted


class DistillationMixin(BaseModel):
    """Add distillation losses to a classifier's own loss.

    For a classifier of your own, register ``class DistilledMine(
    DistillationMixin, Mine)``. Its ``loss(inputs, data_samples)`` is called
    once a step, as it is, with ``loss`` logged as ``loss_cls``; what the
    distillation losses are logged as, :meth:`LossDict.compute` says.
    mmengine sums them all.

    Args:
        *args: For the classifier.
        teacher: Arguments of :class:`FrozenTeacher` or, with a `cache`, of
            :class:`CachedTeacher`; or a list of them for several, see
            :class:`TeacherEnsemble`. Built when training starts, and no part
            of the model.
        distill_losses: Losses by name, see :mod:`mmnkd.losses`. Without any,
            or with weights of 0, training is that of the plain classifier,
            bit for bit.
        student_loss_weight: Factor >= 0 of the classifier's own loss.
        student_loss_schedule: Another one, over epochs or iterations: one
            scheduler or a list of them, written as in ``param_scheduler``.
        logits_tap: The sub-module that puts out the student's logits; None
            for the class's own choice.
        ignore_findings: Names of what the first training step finds, and
            goes on (``['class-order']``), see :mod:`mmnkd.diagnosis`.
        **kwargs: For the classifier.

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
        ignore_findings: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        try:
            super().__init__(*args, **kwargs)
        except TypeError as error:
            near = nearest_argument(type(self), error)
            raise TypeError(f'{error}{near}') from error
        check_not_negative('student_loss_weight', student_loss_weight)
        self.student_loss_weight = student_loss_weight
        self.student_loss_schedule = WeightSchedule.of(student_loss_schedule)
        self.logits_tap = logits_tap or self.logits_tap
        self.distill_losses = LossDict(distill_losses or {})
        self.teacher: Any = None if teacher is None else make_teacher(teacher)
        self.first_step = FirstStep(ignore_findings)
        self._student_modules = self._find_taps()
        self._measure()

    def init_weights(self) -> None:
        """Initialize the student, and build the teacher: training starts."""
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] in (
            'Pretrained',
            PretrainedInit,
        ):
            super().init_weights()  # from a checkpoint, of the losses too
        else:
            # An `init_cfg` of the classifier is for all of its modules, and
            # would draw random numbers for the losses before the student's.
            losses = self.distill_losses
            self.register_module('distill_losses', nn.Identity())
            try:
                super().init_weights()
            finally:
                self.register_module('distill_losses', losses)
            losses.init_weights()
        self._build_teacher()

    def loss(self, inputs: Tensor, data_samples: list, **kwargs: Any) -> dict:
        """Compute the student's own loss and the distillation losses.

        Args:
            inputs: (N, channels, height, width) preprocessed images.
            data_samples: N samples with ``gt_label``, or with ``gt_score``
                where labels are mixed.
            **kwargs: For the classifier.

        Returns:
            Losses, and what else the student's head logs, by name.

        Raises:
            ValueError: The first training step found an error, see
                :class:`FirstStep`.
        """
        losses = self.distill_losses
        target = target_of(data_samples)
        check = self.training and losses.active and self.first_step.is_due
        if check:
            self._build_teacher()
            self.first_step.begin(self, inputs, target)
        with recorded(self, self._student_modules) as student:
            own = super().loss(inputs, data_samples, **kwargs)
        # mmengine sums every key that contains 'loss', then logs the sum as
        # 'loss', which a component of that name would overwrite.
        if 'loss' in own:
            own = merge({'loss_cls': own.pop('loss')}, own)
        own = self._weighted(own)
        if not losses.active:
            return own
        if 'logits' in student:
            student['logits'] = as_logits(
                student['logits'], self, self.logits_tap, 'logits_tap'
            )
        teacher: dict[str, Any] = {}
        if losses.teacher_taps:
            if not self.teacher.is_built:
                self._build_teacher()
            teacher = self.teacher(inputs, losses.teacher_taps, data_samples)
        check_same_classes(student, teacher)
        logged = merge(own, losses.compute(student, teacher, target))
        if check:
            self.first_step.end(self, inputs, target, teacher, logged)
        return logged

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
        losses whose sizes aren't declared.
        """
        losses = self.distill_losses.unmeasured()
        if not losses:
            return
        sizes = ', '.join(
            f'{name}.{size}'
            for name, loss in losses.items()
            for size in loss.unknown_sizes
        )
        image = blank_image(self)
        with explained(type(self).__name__, image, sizes):
            student = dry_run(self, image, self._student_modules)
        teacher: dict[str, Any] = {}
        taps = self.distill_losses.teacher_taps
        if taps:
            try:
                untrained = self.teacher.untrained(
                    self.data_preprocessor, taps
                )
            except OSError:  # its config isn't there
                return  # a test needs none; _build_teacher stops a training
            with explained('the teacher', image, sizes):
                teacher = untrained(image, taps)
        self.distill_losses.measure(student, teacher)

    def _build_teacher(self) -> None:
        taps = self.distill_losses.teacher_taps
        if not taps:
            return
        unmeasured = list(self.distill_losses.unmeasured())
        if unmeasured:
            self.teacher.untrained(self.data_preprocessor, taps)  # or raises
            raise RuntimeError(
                "Expected the teacher's config when the model was built, by "
                f'which the sizes of {unmeasured} are measured, but it could '
                'not be read then. Start again now that it is there.'
            )
        self.teacher.build(self.data_preprocessor, taps)

    def _find_taps(self) -> dict[str, str]:
        """Map the student's taps to its modules; expect a teacher if read."""
        losses = self.distill_losses
        modules = {tap: tap for tap in losses.student_taps}
        if 'logits' in modules:
            check_head(self, self.logits_tap)
            modules['logits'] = self.logits_tap
        check_taps(self, modules.values(), 'student')
        if losses.active:
            check_second_head(self, losses.student_taps)
        if losses.teacher_taps and self.teacher is None:
            needing = [k for k, (_, taps) in losses.active.items() if taps]
            raise ValueError(
                f'Expected a `teacher`, which {needing} of `distill_losses` '
                'compare the student with, but got none.'
            )
        if self.teacher is not None and not losses.teacher_taps:
            reason = 'without `distill_losses` nothing is distilled.'
            if len(losses):
                reason = f'none of {list(losses)} reads it.'
            print_log(
                f'The `teacher` will not be built: {reason}',
                'current',
                logging.WARNING,
            )
        return modules
