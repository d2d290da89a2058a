"""Several distillation losses: what they read, and what they log."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Optional

import torch
from mmengine.model import ModuleDict
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..losses import MeasuredLoss
from ..registry import construct
from ..taps import pick, tap_names

__all__ = ['LossDict', 'merge', 'weighted']


class LossDict(ModuleDict):
    """Hold distillation losses by name.

    A loss is any module with ``forward(student, teacher, target)``; its
    ``student_taps`` and ``teacher_taps`` say what it reads (``'logits'`` where
    it doesn't say), at a ``loss_weight`` of 0 it is left out, and its
    ``weight_schedule``, if it has one, is another factor.

    Args:
        losses: Modules or their configs by name.

    Raises:
        TypeError: `losses` isn't a dict of modules and configs.
        ValueError: A name can't be logged or saved.
    """

    def __init__(self, losses: Mapping[str, Any]) -> None:
        _check_form(losses)
        # The student's random numbers are those of a run without losses.
        with torch.random.fork_rng(devices=[]):
            built = {
                name: loss
                if isinstance(loss, nn.Module)
                else _build(name, loss)
                for name, loss in losses.items()
            }
        super().__init__(built)
        for name in built.keys() - set(self.active()):
            self[name].requires_grad_(False)  # DDP waits for all the others

    def init_weights(self) -> None:
        """Initialize the losses; again, not with the student's numbers."""
        with torch.random.fork_rng(devices=[]):
            super().init_weights()

    def active(self) -> list[str]:
        """Return the names of losses whose weight isn't 0."""
        return [
            name
            for name, loss in self.items()
            if getattr(loss, 'loss_weight', 1.0) != 0
        ]

    def taps(self, names: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return all that some losses read from the student and the teacher.

        Args:
            names: Of the losses.
        """
        of_student: set[str] = set()
        of_teacher: set[str] = set()
        for name in names:
            of_student.update(tap_names(_student(self[name])))
            of_teacher.update(tap_names(_teacher(self[name])))
        return of_student, of_teacher

    def unmeasured(self) -> dict[str, MeasuredLoss]:
        """Return the losses that wait for sizes to make their parameters."""
        return {
            name: loss
            for name, loss in self.items()
            if isinstance(loss, MeasuredLoss)
            and loss.needs_dry_run
            and loss.loss_weight != 0
        }

    def measure(
        self, student: Mapping[str, Any], teacher: Mapping[str, Any]
    ) -> None:
        """Let losses make their parameters by the outputs of a dry run."""
        with torch.random.fork_rng(devices=[]):
            for loss in self.unmeasured().values():
                loss.measure(
                    pick(_student(loss), student),
                    pick(_teacher(loss), teacher),
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
            and of a loss with a schedule ``weight_{name}``, its factor now.

        Raises:
            TypeError: A loss returned neither a tensor nor a dict of tensors.
            ValueError: Two of the names are the same.
        """
        results: dict[str, Tensor] = {}
        for name in self.active():
            loss = self[name]
            result = loss(
                pick(_student(loss), student),
                pick(_teacher(loss), teacher),
                target,
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
            results = merge(results, named)
        return results


def weighted(logged: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Multiply what mmengine sums: every key that contains 'loss'."""
    return {
        key: _times(value, factor) if 'loss' in key else value
        for key, value in logged.items()
    }


def merge(logged: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Join what is logged, and never lose a term to another's name.

    Raises:
        ValueError: Both have a term of one name.
    """
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
    _check_names(losses)


def _check_names(names: Iterable[Any]) -> None:
    taken = nn.ModuleDict()
    for name in names:
        if not str(name).isidentifier() or hasattr(taken, str(name)):
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


def _build(name: str, config: Mapping[str, Any]) -> nn.Module:
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
        return construct(found, place, arguments)


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, Tensor):
        return factor * value
    return [factor * part for part in value]


def _student(loss: nn.Module) -> Any:
    return getattr(loss, 'student_taps', 'logits')


def _teacher(loss: nn.Module) -> Any:
    return getattr(loss, 'teacher_taps', 'logits')
