"""Goes through the start of a training, without training, and notes all."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Optional, Union

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..checkpoint import check_file
from .batch import check_batch
from .batches import Batches, build_loader, preprocessed, take
from .config import check_config
from .data import check_data, read_labels
from .estimate import estimate
from .facts import check_data_facts, describe_data
from .finding import Finding
from .first_step import num_classes_of
from .look import ask_teacher, describe_networks, look_at
from .networks import check_networks
from .plan import check_plan, read_plan
from .report import Report, read_stack
from .stages import Attempts, build_model, quiet
from .terms import check_terms, measure_terms

__all__ = ['examine']

_WHOLE = 'Try `mmnkd train` for the whole error.'


def examine(
    config: Union[str, Path],
    *,
    batches: int = 4,
    processes: int = 1,
    device: Optional[str] = None,
    options: Optional[Mapping[str, Any]] = None,
    ignored: Collection[str] = (),
    say: Callable[[str], None] = lambda stage: None,
    advise: Callable[[BaseException], str] = lambda error: '',
) -> Report:
    """Find out what a training will do, cost and come across.

    A copy in memory is trained for a few steps; nothing is written. Random
    numbers of this process start again at seed 0.

    Args:
        config: A config file.
        batches: Of the training and of the validation data to look at.
        processes: Processes (GPUs) on which the training is to run.
        device: Where to compute; None for what a Runner would take.
        options: Changes of the config by dotted key, as ``--cfg-options``.
        ignored: Names of findings to leave out, beside the model's own
            ``ignore_findings``.
        say: Is told what is looked at now.
        advise: Returns what to do about an error, '' if it doesn't know.

    Returns:
        All that was found out. What fails is a finding, never an exception.
    """
    device = device or get_device()
    report = Report(
        str(config), options=dict(options or {}), stack=read_stack(device)
    )
    say('reading the config')
    attempts = Attempts(report, advise)
    whole = attempts(
        'config',
        'Look at the file and at its `_base_`.',
        lambda: _read(config, options or {}),
    )
    if whole is None:
        return report
    scope = whole.get('default_scope') or 'mmpretrain'
    with quiet(), DefaultScope.overwrite_default_scope(scope):
        examination = _Examination(attempts, whole, device, say)
        examination.run(batches, processes)
    model = whole.get('model') or {}
    ignored = {*ignored, *(model.get('ignore_findings') or ())}
    report.findings = [f for f in report.findings if f.name not in ignored]
    return report


class _Examination:
    """Go through the stages of one examination, which share a report."""

    def __init__(
        self,
        attempt: Attempts,
        config: Config,
        device: str,
        say: Callable[[str], None],
    ) -> None:
        self.attempt = attempt
        self.report = attempt.report
        self.config = config
        self.device = device
        self.say = say
        self.classes: Optional[list[str]] = None  # of the training data

    def run(self, batches: int, processes: int) -> None:
        """Go through all stages; a later one does without what failed."""
        report = self.report
        found = self.attempt(
            'config', '', lambda: check_config(self.config, report.options)
        )
        report.add(found or [])
        report.plan = self.attempt(
            'config',
            'Compare it with a config of the model zoo.',
            lambda: read_plan(self.config, processes),
        )
        if report.plan is None:
            return
        report.add(check_plan(report.plan))
        set_random_seed(0)
        self.say('building student and teacher')
        model = self._build()
        self.say('reading the data')
        train = self._read_data('train', model, batches)
        val = self._read_data('val', model, batches)
        if model is None:
            return
        self._describe(model)
        if train.real and not self._look(model, train, val):
            return  # its time would be that of something broken
        self.say('timing training steps')
        # A fault on noise says nothing of the training.
        attempt = (
            self.attempt if train.real else Attempts(Report(report.config))
        )
        attempt(
            'step',
            'Look at `optim_wrapper`, and try `mmnkd train` for the whole '
            'error.',
            lambda: estimate(report, self.config, model, train, val),
        )

    def _build(self) -> Optional[nn.Module]:
        """Build the model; without the teacher's weights if those fail."""
        report, fix = self.report, 'Look at `model` of the config.'
        attempt = Attempts(Report(report.config), self.attempt.advise)
        config = copy.deepcopy(self.config)
        build = partial(build_model, config, self.device)
        model = attempt('model', fix, build)
        if model is not None:
            return model
        teacher = config.model.get('teacher')
        known = {finding.name for finding in report.errors}
        failed = attempt.report.findings
        if isinstance(teacher, dict):
            teacher['checkpoint'] = None
            model = attempt('model', fix, build)
            if model is not None:  # so the weights were at fault
                report.is_teacher_real = False
                report.drop('teacher-file')
                failed = [
                    Finding('teacher-file', 'error', f.message, _mend(teacher))
                    for f in failed[:1]
                ]
        if not known & {'model-type', 'foreign-key'}:
            report.add(failed[:1])
        return model

    def _read_data(
        self, part: str, model: Optional[nn.Module], count: int
    ) -> Batches:
        """Describe a data set, and read a few batches."""
        name = f'{part}_dataloader'
        if not self.config.get(name):
            return Batches()
        fix = (
            'Look at `data_root`, `ann_file` and `data_prefix` of '
            f'`{name}.dataset`.'
        )
        loader = self.attempt(
            f'{part}-data', fix, lambda: build_loader(self.config[name])
        )
        if loader is None:
            return Batches()
        self.attempt(
            f'{part}-data',
            fix,
            lambda: self._describe_data(part, loader, model),
        )
        found = self.attempt(
            f'{part}-data',
            'Look whether all images can be read, and at the pipeline.',
            lambda: take(loader, count),
        )
        return found or Batches()

    def _describe_data(
        self, part: str, loader: DataLoader, model: Optional[nn.Module]
    ) -> None:
        """Count and check the labels of a data set, which are read once."""
        report, data = self.report, loader.dataset
        labels = read_labels(data)
        setattr(report, part, describe_data(data, labels))
        names = (getattr(data, 'metainfo', None) or {}).get('classes')
        if part == 'train':
            self.classes = names
            if model is not None:
                found = check_data(
                    data,
                    num_classes=num_classes_of(model),
                    batches=len(loader),
                    labels=labels,
                )
                report.add(found)
        if report.train is not None:
            others = names if part == 'val' else None
            report.add(check_data_facts(report.train, self.classes, others))

    def _describe(self, model: nn.Module) -> None:
        """Note what the networks are, and check them."""
        report, plan = self.report, self.report.plan
        report.networks = describe_networks(model)
        if hasattr(model, 'distill_losses') and plan is not None:
            report.add(
                check_networks(
                    model,
                    classes=self.classes,
                    max_epochs=plan.epochs,
                    max_iters=plan.iterations,
                )
            )

    def _look(self, model: Any, train: Batches, val: Batches) -> bool:
        """Look at batches, the teacher's answers and the loss terms.

        Returns:
            Whether they can be trained on.
        """
        report, before = self.report, len(self.report.errors)
        real = report.is_teacher_real
        self.say('looking at a batch')
        found = self.attempt(
            'batch', _WHOLE, lambda: look_at(model, train.real[0], ask=real)
        )
        if found is None:
            return False
        report.images = found.facts
        report.add(found.findings)
        if not real:  # what random weights answer says nothing
            return len(report.errors) == before
        if getattr(model, 'teacher', None) is not None:
            self.say("measuring the teacher's answers")
            answers = self.attempt(
                'teacher',
                _WHOLE,
                lambda: ask_teacher(model, train.real, val.real),
            )
            report.signal, report.signal_on = answers or (None, '')
        self._measure_terms(model, train, found.images)
        return len(report.errors) == before

    def _measure_terms(
        self, model: Any, train: Batches, images: Tensor
    ) -> None:
        """Measure and check the terms of the loss."""
        report = self.report
        self.say('measuring the terms of the loss')
        batches = (preprocessed(model, batch) for batch in train.real)
        terms = self.attempt(
            'losses', _WHOLE, lambda: measure_terms(model.train(), batches)
        )
        report.terms = terms or []
        values = {term.name: term.value for term in report.terms}
        report.add(check_batch(images, losses=values))
        scheduled = any(
            getattr(loss, 'weight_schedule', None) is not None
            for loss in getattr(model, 'distill_losses', {}).values()
        )
        report.add(check_terms(report.terms, scheduled=scheduled))


def _read(config: Union[str, Path], options: Mapping[str, Any]) -> Config:
    check_file('config', str(config))
    whole = Config.fromfile(config)
    whole.merge_from_dict(dict(options))
    return whole


def _mend(teacher: Mapping[str, Any]) -> str:
    """Say how to come by a teacher's weights."""
    model = teacher.get('model')
    if isinstance(model, str) and Path(model).is_file():
        return f'Train it first: mmnkd train {os.path.relpath(model)}'
    return 'Look at `teacher.checkpoint`.'
