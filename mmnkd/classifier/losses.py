"""Several distillation losses: what they read, and what they log."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, Optional, Union

import torch
from mmengine.model import ModuleDict
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..losses import MeasuredLoss
from ..registry import construct
from ..taps import pick, tap_names


class LossDict(ModuleDict):
    """Hold distillation losses by name.

    A loss is any module with ``forward(student, teacher, target)``; its
    ``student_taps`` and ``teacher_taps`` say what it reads (``'logits'`` where
    it doesn't say), at a ``loss_weight`` of 0 it is left out, and its
    ``weight_schedule``, if it has one, is another factor.

    Args:
        losses: Modules or their configs by name.

    Attributes:
        active: For each loss whose weight isn't 0 what it reads of the
            student and of the teacher.
        student_taps: All that they read of the student.
        teacher_taps: All that they read of the teacher.
    """

    def __init__(self, losses: Mapping[str, Any]) -> None:
        _check_form(losses)
        # The student's random numbers are those of a run without losses.
        with torch.random.fork_rng(devices=[]):
            super().__init__({k: _build(k, v) for k, v in losses.items()})
        self.active = {  # the names, and what each reads of both networks
            name: (
                getattr(loss, 'student_taps', 'logits'),
                getattr(loss, 'teacher_taps', 'logits'),
            )
            for name, loss in self.items()
            if getattr(loss, 'loss_weight', 1.0) != 0
        }
        for name in self.keys() - self.active.keys():
            self[name].requires_grad_(False)  # DDP waits for all the others
        read = self.active.values()
        self.student_taps = {k for taps, _ in read for k in tap_names(taps)}
        self.teacher_taps = {k for _, taps in read for k in tap_names(taps)}

    def init_weights(self) -> None:
        """Initialize the losses; again, not with the student's numbers."""
        with torch.random.fork_rng(devices=[]):
            super().init_weights()

    def unmeasured(self) -> dict[str, MeasuredLoss]:
        """Return the losses that wait for sizes to make their parameters."""
        return {
            name: loss
            for name, loss in self.items()
            if name in self.active
            and isinstance(loss, MeasuredLoss)
            and loss.unknown_sizes
        }

    def measure(
        self, student: Mapping[str, Any], teacher: Mapping[str, Any]
    ) -> None:
        """Let losses make their parameters by the outputs of a dry run."""
        with torch.random.fork_rng(devices=[]):
            for name, loss in self.unmeasured().items():
                of_student, of_teacher = self.active[name]
                loss.measure(
                    pick(of_student, student), pick(of_teacher, teacher)
                )

    def compute(
        self,
        student: Mapping[str, Any],
        teacher: Mapping[str, Any],
        target: Optional[Tensor],
    ) -> dict[str, Tensor]:
        """Compute the active losses.

        Args:
            student: The student's outputs by tap.
            teacher: The teacher's.
            target: (N,) class indices or (N, C) scores, None without labels.

        Returns:
            ``loss_{name}``, or ``loss_{name}_{term}`` for a dict of terms;
            of a loss with a schedule ``weight_{name}``, its factor now; and
            what a loss has in ``logged``, with its name behind.
        """
        results: dict[str, Tensor] = {}
        for name, (of_student, of_teacher) in self.active.items():
            loss = self[name]
            result = loss(
                pick(of_student, student), pick(of_teacher, teacher), target
            )
            if isinstance(result, Tensor):
                named = {f'loss_{name}': result}
            elif isinstance(result, Mapping):
                named = {f'loss_{name}_{k}': v for k, v in result.items()}
            else:
                raise TypeError(
                    f'Expected the loss {name!r} to return a tensor or a dict '
                    f'of tensors, but got {type(result).__name__}.'
                )
            schedule = getattr(loss, 'weight_schedule', None)
            if schedule is not None:
                factor = schedule.factor()
                named = weighted(named, factor)
                named[f'weight_{name}'] = torch.tensor(factor)
            for key, value in getattr(loss, 'logged', {}).items():
                if 'loss' in key:
                    raise ValueError(
                        f'Expected what {name!r} has in `logged` to be '
                        f"without 'loss' in its name, but got {key!r}."
                    )
                named[f'{key}_{name}'] = value
            results = merge(results, named)
        return results


def weighted(logged: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Multiply what mmengine sums: every key that contains 'loss'."""
    scaled = dict(logged)
    for key, value in logged.items():
        if 'loss' in key and isinstance(value, Tensor):
            scaled[key] = factor * value
        elif 'loss' in key:
            scaled[key] = [factor * part for part in value]
    return scaled


def merge(logged: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Join what is logged, and never lose a term to another's name."""
    twice = sorted(logged.keys() & more.keys())
    if twice:
        raise ValueError(
            f'Expected different names of losses in the log, but {twice} '
            "came twice: from the student's own head, or from two of "
            '`distill_losses`. Rename the distillation loss.'
        )
    return {**logged, **more}


def _check_form(losses: Any) -> None:
    example = "distill_losses=dict(nkd=dict(type='NKDLoss'))"
    if not isinstance(losses, Mapping):
        raise TypeError(
            'Expected `distill_losses` to be a dict of losses by name, as in '
            f'{example}, but got {type(losses).__name__}.'
        )
    for name, loss in losses.items():
        if not isinstance(loss, (Mapping, nn.Module)):
            raise TypeError(
                'Expected each of `distill_losses` to be a config or a '
                f'module with a name, as in {example}, but got '
                f'{name}={loss!r}.'
            )
        if not str(name).isidentifier() or hasattr(nn.ModuleDict(), str(name)):
            raise ValueError(
                'Expected names of `distill_losses` that are identifiers, '
                f'and no attribute of a torch ModuleDict, but got {name!r}. '
                'Rename the loss.'
            )
        if 'loss' in str(name):
            raise ValueError(
                "Expected names of `distill_losses` without 'loss', which is "
                f'put in front in the log, but got {name!r}. Rename the loss.'
            )


def _build(name: str, config: Union[Mapping, nn.Module]) -> nn.Module:
    if isinstance(config, nn.Module):
        return _checked(name, config)
    place = f'distill_losses.{name}'
    arguments = dict(config)
    kind = arguments.pop('type', None)
    scope = arguments.pop('_scope_', None)
    with MODELS.switch_scope_and_registry(scope) as registry:
        found = registry.get(kind) if isinstance(kind, str) else kind
        if found is None:
            losses = [key for key in MODELS.module_dict if 'Loss' in key]
            near = difflib.get_close_matches(str(kind), losses)
            raise ValueError(
                f'Expected `{place}` to have the `type` of a registered loss, '
                f'but got {kind!r}. Nearest: {near or losses}. The file of a '
                'loss of your own must be in `custom_imports`.'
            )
        return _checked(name, construct(found, place, arguments))


def _checked(name: str, loss: nn.Module) -> nn.Module:
    """Expect a distillation loss; others take the arguments for their own."""
    parameters = inspect.signature(loss.forward).parameters.values()
    is_wrapper = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    taken = [p.name for p in parameters][:3]
    if not is_wrapper and taken != ['student', 'teacher', 'target']:
        raise TypeError(
            f'Expected `distill_losses.{name}` to have a forward(student, '
            f'teacher, target), but that of {type(loss).__name__} takes '
            f'{taken}. A loss of the student alone belongs in `head.loss`.'
        )
    return loss
