"""Goes through the start of a training, without training, and notes all."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional, Union

import mmcv
import mmengine
import mmpretrain
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from torch import nn

from .. import __version__
from .advice import advise
from .batch import check_batch
from .config import check_config
from .cost import measure_cost, timed
from .data import check_data
from .facts import check_data_facts, describe_data
from .finding import Finding
from .first_step import num_classes_of
from .look import ask_teacher, look_at, preprocessed
from .networks import check_networks, count_parameters, live_teachers
from .plan import check_plan, read_plan
from .report import NetworkFacts, Report
from .stages import (
    attempt,
    build_loader,
    build_model,
    quiet,
    random_batches,
    take,
)
from .terms import check_terms, measure_terms

__all__ = ['examine']


def examine(
    config: Union[str, Path],
    *,
    batches: int = 4,
    processes: int = 1,
    device: Optional[str] = None,
    options: Optional[Mapping[str, Any]] = None,
    say: Callable[[str], None] = lambda stage: None,
) -> Report:
    """Find out what a training will do, cost and come across.

    A copy in memory is trained for a few steps; nothing is written.

    Args:
        config: A config file.
        batches: Of the training and of the validation data to look at.
        processes: Processes (GPUs) on which the training is to run.
        device: Where to compute; None for what a Runner would take.
        options: Changes of the config by dotted key, as ``--cfg-options``.
        say: Is told what is looked at now.

    Returns:
        All that was found out. What fails is a finding, never an exception.
    """
    device = device or get_device()
    report = Report(str(config), stack=_stack(device))
    say('reading the config')
    whole = attempt(
        report,
        'config',
        'Look at the file and at its `_base_`.',
        lambda: _read(config, options or {}),
    )
    if whole is None:
        return report
    scope = whole.get('default_scope') or 'mmpretrain'
    with quiet(), DefaultScope.overwrite_default_scope(scope):
        _Examination(report, whole, device, say).run(batches, processes)
    ignored = whole.get('model', {}).get('ignore_findings') or ()
    report.findings = [f for f in report.findings if f.name not in ignored]
    return report


class _Examination:
    """Go through the stages of one examination, which share a report."""

    def __init__(
        self,
        report: Report,
        config: Config,
        device: str,
        say: Callable[[str], None],
    ) -> None:
        self.report = report
        self.config = config
        self.device = device
        self.say = say
        self.classes: Optional[list[str]] = None  # of the training data

    def run(self, batches: int, processes: int) -> None:
        """Go through all stages; a later one does without what failed."""
        report = self.report
        found = attempt(
            report, 'config', '', lambda: check_config(self.config)
        )
        report.add(found or [])
        report.plan = attempt(
            report,
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
        train, load = self._read_data('train', model, batches)
        val, load_val = self._read_data('val', model, batches)
        if model is None:
            return
        self._describe(model)
        if train and not self._look(model, train, val):
            return  # its time would be that of something broken
        self.say('timing training steps')
        attempt(  # a fault on noise says nothing of the training
            report if train else Report(report.config),
            'step',
            'Look at `optim_wrapper`, and try `mmnkd train` for the whole '
            'error.',
            lambda: self._time(model, train, load, val, load_val),
        )

    def _build(self) -> Optional[nn.Module]:
        """Build the model; without the teacher's weights if those fail."""
        failed = Report(self.report.config)
        fix = 'Look at `model` of the config.'
        config = copy.deepcopy(self.config)
        model = attempt(
            failed, 'model', fix, lambda: build_model(config, self.device)
        )
        teacher = config.model.get('teacher')
        if model is None and isinstance(teacher, dict):
            teacher['checkpoint'] = None
            again = Report(self.report.config)
            model = attempt(
                again, 'model', fix, lambda: build_model(config, self.device)
            )
            if model is not None:  # so the weights were at fault
                failed.findings = [
                    Finding('teacher-file', 'error', f.message, _mend(teacher))
                    for f in failed.findings
                ]
        self.report.add(failed.findings)
        self.report.is_teacher_real = not failed.findings
        return model

    def _read_data(
        self, part: str, model: Optional[nn.Module], count: int
    ) -> tuple[list, float]:
        """Describe a data set; return batches, and seconds to load one."""
        report, name = self.report, f'{part}_dataloader'
        if not self.config.get(name):
            return [], 0.0
        loader = attempt(
            report,
            f'{part}-data',
            f'Look at `data_root`, `ann_file` and `data_prefix` of '
            f'`{name}.dataset`.',
            lambda: build_loader(self.config[name]),
        )
        if loader is None:
            return [], 0.0
        data: Any = loader.dataset
        if part == 'train' and model is not None:
            report.add(check_data(data, num_classes=num_classes_of(model)))
        names = data.metainfo.get('classes')
        if part == 'train':
            report.train = describe_data(data)
            self.classes = names
            report.add(check_data_facts(report.train))
        else:
            report.val = describe_data(data)
            if report.train is not None:
                report.add(check_data_facts(report.train, self.classes, names))
        found = attempt(
            report,
            f'{part}-data',
            'Look whether all images can be read, and at the pipeline.',
            lambda: take(loader, count),
        )
        return found or ([], 0.0)

    def _describe(self, model: nn.Module) -> None:
        """Note what the networks are, and check them."""
        report, plan = self.report, self.report.plan
        student = NetworkFacts(
            'student', _kind(model), count_parameters(model)
        )
        report.networks = [student]
        for who, teacher in live_teachers(model).items():
            network = teacher.network
            report.networks.append(
                NetworkFacts(
                    who.removeprefix('the '),
                    _kind(network),
                    count_parameters(network),
                    teacher.checkpoint,
                    teacher.weights_hash,
                )
            )
        if hasattr(model, 'distill_losses') and plan is not None:
            report.add(
                check_networks(
                    model,
                    classes=self.classes,
                    max_epochs=plan.epochs,
                    max_iters=plan.iterations,
                )
            )

    def _look(self, model: Any, train: list, val: list) -> bool:
        """Look at batches, the teacher's answers and the loss terms.

        Returns:
            Whether they can be trained on.
        """
        report, before = self.report, len(self.report.errors)
        real = report.is_teacher_real
        self.say('looking at a batch')
        fix = 'Try `mmnkd train` for the whole error.'
        found = attempt(
            report, 'batch', fix, lambda: look_at(model, train[0], ask=real)
        )
        if found is None:
            return False
        report.images = found.facts
        report.add(found.findings)
        if not real:  # what random weights answer says nothing
            return len(report.errors) == before
        if getattr(model, 'teacher', None) is not None:
            self.say("measuring the teacher's answers")
            answers = attempt(
                report, 'teacher', fix, lambda: ask_teacher(model, train, val)
            )
            report.signal, report.signal_on = answers or (None, '')
        self.say('measuring the terms of the loss')
        batches = (preprocessed(model, batch) for batch in train)
        terms = attempt(
            report,
            'losses',
            fix,
            lambda: measure_terms(model.train(), batches),
        )
        report.terms = terms or []
        values = {term.name: term.value for term in report.terms}
        report.add(check_batch(found.images, losses=values))
        scheduled = any(
            getattr(loss, 'weight_schedule', None) is not None
            for loss in getattr(model, 'distill_losses', {}).values()
        )
        report.add(check_terms(report.terms, scheduled=scheduled))
        return len(report.errors) == before

    def _time(
        self, model: Any, train: list, load: float, val: list, load_val: float
    ) -> None:
        """Time training steps, and estimate the whole."""
        report, plan = self.report, self.report.plan
        assert plan is not None
        batches = train or random_batches(model, self.config, 2)
        validate = 0.0
        if val:
            model.eval()
            _, validate = timed(lambda: model.val_step(val[-1]))
        wrapper = copy.deepcopy(self.config.optim_wrapper)
        if self.device == 'cpu' and plan.amp:
            wrapper = {
                'type': 'OptimWrapper',
                **{
                    key: wrapper[key]
                    for key in ('optimizer', 'paramwise_cfg', 'clip_grad')
                    if key in wrapper
                },
            }
        report.cost = cost = measure_cost(
            model.train(),
            build_optim_wrapper(model, wrapper),
            batches,
            load=load,
            workers=self.config.train_dataloader.get('num_workers', 0),
            validate=validate + load_val,
        )
        report.is_data_real = bool(train)
        images = report.train.images if report.train else 0
        report.steps = plan.steps(images)
        report.seconds = report.steps * cost.total
        if report.val and self.config.get('val_cfg') is not None:
            report.seconds += self._validations() * cost.validate
        report.advice = advise(report, model, batches[-1])

    def _validations(self) -> int:
        """Return how many validation batches the training has."""
        report, plan = self.report, self.report.plan
        assert plan is not None
        assert report.val is not None
        loop = self.config.train_cfg
        length = plan.epochs or plan.iterations or 0
        rounds = length // loop.get('val_interval', 1)
        size = self.config.val_dataloader.get('batch_size', 1)
        return rounds * -(-report.val.images // (size * plan.processes))


def _read(config: Union[str, Path], options: Mapping[str, Any]) -> Config:
    whole = Config.fromfile(config)
    whole.merge_from_dict(dict(options))
    return whole


def _mend(teacher: Mapping[str, Any]) -> str:
    """Say how to come by a teacher's weights."""
    model = str(teacher.get('model'))
    if Path(model).is_file():
        path = os.path.relpath(model)
        return f'Train it first: mmnkd train {path}'
    return 'Look at `teacher.checkpoint`.'


def _stack(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device == 'cuda' else device.upper()
    versions = {
        module.__name__: module.__version__
        for module in (torch, mmengine, mmcv, mmpretrain)
    }
    return {'mmnkd': __version__, **versions, 'device': name}


def _kind(model: nn.Module) -> str:
    """Name a network by its backbone, or by its own type."""
    inner = getattr(model, 'backbone', None) or getattr(model, 'model', None)
    kind = type(inner if isinstance(inner, nn.Module) else model).__name__
    depth = getattr(inner, 'depth', None)
    return f'{kind}-{depth}' if isinstance(depth, int) else kind
