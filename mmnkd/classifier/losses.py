"""Several distillation losses: what they read, and what they log."""

from __future__ import annotations

import difflib
from typing import Any, Mapping, Optional, Protocol, runtime_checkable

import torch
from mmengine.model import ModuleDict
from mmengine.registry import MODELS
from torch import Tensor, nn

from .._old_checks import check_arguments
from ..taps import Taps

__all__ = [
    'LossDict',
    'compute',
    'measure',
    'merge',
    'needing_dry_run',
    'student_names',
    'teacher_names',
    'tell_image_sizes',
    'weighted',
]

Losses = Mapping[str, nn.Module]


@runtime_checkable
class _WantsImageSizes(Protocol):
    current_image_size: Optional[tuple[int, int]]
    current_teacher_size: Optional[tuple[int, int]]


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
        for name in built.keys() - self.active().keys():
            self[name].requires_grad_(False)  # DDP waits for all the others

    def init_weights(self) -> None:
        """Initialise the losses; again, not with the student's numbers."""
        with torch.random.fork_rng(devices=[]):
            super().init_weights()

    def active(self) -> dict[str, nn.Module]:
        """Return the losses whose weight isn't 0."""
        return {
            name: loss
            for name, loss in self.items()
            if getattr(loss, 'loss_weight', 1.0) != 0
        }


def student_names(losses: Losses) -> set[str]:
    """Return all that `losses` read from the student."""
    return {name for loss in losses.values() for name in _student(loss).names}


def teacher_names(losses: Losses) -> set[str]:
    """Return all that `losses` read from the teacher."""
    return {name for loss in losses.values() for name in _teacher(loss).names}


def tell_image_sizes(losses: Losses, images: Any, teacher: Any) -> None:
    """Tell losses on tokens what shape the grids of patches have.

    Args:
        losses: Modules by name.
        images: The student's, (N, channels, height, width).
        teacher: What looks at them, None without a teacher.
    """
    if not isinstance(images, Tensor):  # a classifier of the user's own
        return
    size = (images.shape[-2], images.shape[-1])
    for loss in losses.values():
        if isinstance(loss, _WantsImageSizes):
            names = _teacher(loss).names
            loss.current_image_size = loss.current_teacher_size = size
            if names and teacher is not None:
                loss.current_teacher_size = teacher.image_size(names[0], size)


def needing_dry_run(losses: Losses) -> dict[str, nn.Module]:
    """Return the losses that make their parameters by what taps put out."""
    return {
        name: loss
        for name, loss in losses.items()
        if getattr(loss, 'needs_dry_run', False)
    }


def measure(
    losses: Losses, student: Mapping[str, Any], teacher: Mapping[str, Any]
) -> None:
    """Let losses make their parameters by the outputs of a dry run."""
    with torch.random.fork_rng(devices=[]):
        for loss in losses.values():
            measured: Any = loss
            measured.measure(
                _student(loss).pick(student), _teacher(loss).pick(teacher)
            )


def compute(
    losses: Losses,
    student: Mapping[str, Any],
    teacher: Mapping[str, Any],
    target: Optional[Tensor],
) -> dict[str, Tensor]:
    """Compute the losses.

    Args:
        losses: Modules by name.
        student: The student's outputs by tap.
        teacher: The teacher's.
        target: (N,) class indices or (N, C) scores, None without labels.

    Returns:
        ``loss_{name}``, or ``loss_{name}_{term}`` for a dict of terms; and of
        a loss with a schedule ``weight_{name}``, its factor now (with ``l``
        for a ``loss`` in the name).

    Raises:
        TypeError: A loss returned neither a tensor nor a dict of tensors.
        ValueError: Two of the names are the same.
    """
    results: dict[str, Tensor] = {}
    for name, loss in losses.items():
        result = loss(
            _student(loss).pick(student), _teacher(loss).pick(teacher), target
        )
        if isinstance(result, Tensor):
            named = {f'loss_{name}': result}
        elif isinstance(result, Mapping):
            named = {f'loss_{name}_{k}': value for k, value in result.items()}
        else:
            raise TypeError(
                f'Expected the loss {name!r} to return a tensor or a dict of '
                f'tensors, but got {type(result).__name__}.'
            )
        schedule = getattr(loss, 'weight_schedule', None)
        if schedule is not None:
            factor = schedule.factor()
            named = {k: factor * value for k, value in named.items()}
            # mmengine would sum a key that contains 'loss'.
            short = name.replace('loss', 'l')
            named[f'weight_{short}'] = torch.tensor(factor)
        results = merge(results, named)
    return results


def weighted(logged: dict[str, Any], factor: float) -> dict[str, Any]:
    """Multiply what mmengine sums: every key that contains 'loss'."""
    return {
        key: _times(value, factor) if 'loss' in key else value
        for key, value in logged.items()
    }


def merge(logged: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
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
        if not str(name).isidentifier():
            raise ValueError(
                'Expected names of `distill_losses` that are identifiers, '
                f'but got {name!r}.'
            )
        if hasattr(nn.ModuleDict(), name):
            raise ValueError(
                'Expected names of `distill_losses` that no attribute of a '
                f'torch ModuleDict has, but got {name!r}. Rename the loss.'
            )


def _build(name: str, config: Mapping[str, Any]) -> nn.Module:
    kind = config.get('type')
    if isinstance(kind, str):
        scope = config.get('_scope_')
        with MODELS.switch_scope_and_registry(scope) as registry:
            kind = registry.get(kind)
    if kind is None:
        losses = [key for key in MODELS.module_dict if key.endswith('Loss')]
        near = difflib.get_close_matches(str(config.get('type')), losses)
        raise ValueError(
            f'Expected `distill_losses.{name}` to have the `type` of a '
            f'registered loss, but got {config.get("type")!r}. Nearest: '
            f'{near or losses}. The file of a loss of your own must be in '
            '`custom_imports`.'
        )
    place = f'distill_losses.{name}'
    if isinstance(kind, type):
        check_arguments(kind, config.keys() - {'type', '_scope_'}, place)
    try:
        return MODELS.build(config)
    except TypeError as error:
        raise TypeError(f'In `{place}`: {error}') from error
    except ValueError as error:
        raise ValueError(f'In `{place}`: {error}') from error


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, Tensor):
        return factor * value
    return [factor * part for part in value]


def _student(loss: nn.Module) -> Taps:
    return Taps(getattr(loss, 'student_taps', 'logits'))


def _teacher(loss: nn.Module) -> Taps:
    return Taps(getattr(loss, 'teacher_taps', 'logits'))
