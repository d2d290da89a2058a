"""Taps: what named sub-modules put out during one forward.

A tap may name a parameter as well, such as ``'head.fc.weight'``: its value.
The tap ``'logits'`` stands for a network's logits, wherever they are. Others
have the names of ``named_modules()`` and ``named_parameters()``.
"""

from __future__ import annotations

import contextlib
import difflib
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Union

import torch
from torch import Tensor, nn


class TapError(RuntimeError):
    """Say that a forward did not put out what a tap names."""


TapNames = Union[str, Sequence[str], None]


def tap_names(taps: TapNames) -> tuple[str, ...]:
    """Return the names of the outputs that a loss reads from one network."""
    names: tuple = (taps,)
    if taps is None or isinstance(taps, (list, tuple)):
        names = tuple(taps or ())
    if not all(isinstance(name, str) for name in names):
        raise TypeError(
            'Expected taps to be a name, a list of names or None, but got '
            f'{taps!r}.'
        )
    return names


def pick(taps: TapNames, outputs: Mapping[str, Any]) -> Any:
    """Return one output, a tuple of several, or None for no name."""
    if taps is None or isinstance(taps, str):
        return outputs[taps] if taps else None
    return tuple(map(outputs.__getitem__, taps))


def check_taps(model: nn.Module, names: Iterable[str], owner: str) -> None:
    """Expect names of sub-modules and parameters; tell the nearest."""
    modules = [name for name, _ in model.named_modules() if name]
    parameters = [name for name, _ in model.named_parameters()]
    for name in names:
        if name not in modules and name not in parameters:
            near = difflib.get_close_matches(name, modules, n=5, cutoff=0.4)
            raise ValueError(
                f'Expected a tap to name a sub-module of the {owner} '
                f'{type(model).__name__}, but got {name!r}. Nearest: '
                f'{near or [child for child, _ in model.named_children()]}.'
            )


@contextlib.contextmanager
def recorded(
    model: nn.Module, taps: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Record the outputs of sub-modules while the block runs.

    The hooks live for the block only, so that a copy or an export never meets
    them.

    Args:
        model: The network whose forward is called in the block.
        taps: For each tap its sub-module, as in ``named_modules()``, or
            parameter.

    Yields:
        A dict that maps each tap to its output, filled by the forward, or to
        the parameter.

    Raises:
        TapError: The forward reached one of them never or twice, inside a
            checkpointed block, or overwrote its output in place.
    """
    outputs: dict[str, Any] = {}
    versions: dict[str, list[list[int]]] = {}  # of each output, by tap
    with_gradient = torch.is_grad_enabled()

    def record(tap: str, module: nn.Module, args: tuple, output: Any) -> None:
        if with_gradient and not torch.is_grad_enabled():
            raise TapError(
                f'Expected a gradient to flow through the tap {tap!r}, '
                'but it is inside a block with activation checkpointing '
                '(with_cp) or torch.no_grad. Name the whole block.'
            )
        outputs[tap] = output
        versions[tap].append(_versions(output))

    handles = []
    try:
        for tap, name in taps.items():
            tapped = operator.attrgetter(name)(model)
            if isinstance(tapped, Tensor):
                outputs[tap] = tapped
                continue
            versions[tap] = []
            hook = partial(record, tap)
            handles.append(tapped.register_forward_hook(hook))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
    _check_recorded(model, outputs, versions)


def _check_recorded(
    model: nn.Module,
    outputs: dict[str, Any],
    versions: dict[str, list[list[int]]],
) -> None:
    """Make sure that each tap was reached once, and its output left alone."""
    for tap, found in versions.items():
        if len(found) != 1:
            raise TapError(
                f'Expected the forward of {type(model).__name__} to reach '
                f'the tap {tap!r} once, but it did {len(found)} times. Name a '
                'sub-module that runs once.'
            )
        if _versions(outputs[tap]) != found[0]:
            raise TapError(
                f'Expected the output of the tap {tap!r} to last, but a '
                'later layer overwrote it in place (ReLU(inplace=True), say). '
                'Name that layer or the block around both.'
            )


def _versions(output: Any) -> list[int]:
    """Return how often each tensor of an output was written to."""
    if isinstance(output, Tensor):
        try:
            # Of what autograd checks, torch has no public name.
            return [output._version]
        except RuntimeError:  # one of inference mode has no count
            return []  # (is_inference() would break a compiled graph)
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [version for part in output for version in _versions(part)]
    return []


def as_logits(output: Any, model: nn.Module, tap: str, option: str) -> Tensor:
    """Return a network's output, maybe one of transformers, as (N, C) logits.

    For an error: the sub-module `tap` of `model` put it out, or '' the whole
    network; the config key `option` names another one.
    """
    logits = getattr(output, 'logits', output)
    if isinstance(logits, Tensor) and logits.ndim == 2:
        return logits
    came = f'a {type(logits).__name__}'
    if isinstance(logits, Tensor):
        came = f'a tensor of shape {tuple(logits.shape)}'
    elif isinstance(logits, (tuple, list)):
        came += f' of {len(logits)}'
    raise ValueError(
        f'Expected (N, C) logits from {describe(model, tap)}, but it puts out '
        f'{came}. {tap_advice(model, tap, option)}'
    )


def describe(model: nn.Module, tap: str) -> str:
    """Name a sub-module and its type, for an error."""
    module = model.get_submodule(tap)
    return (
        f'`{tap}`, a {type(module).__name__}' if tap else type(module).__name__
    )


def tap_advice(model: nn.Module, tap: str, option: str) -> str:
    """Say which sub-module may put out the logits, for an error."""
    linear = [
        name
        for name, child in model.named_modules()
        if isinstance(child, nn.Linear) and name.startswith(tap)
    ]
    if not linear:
        return (
            f'Set `{option}` to the sub-module that puts them out, or take '
            'losses on features: no linear layer is there to suggest.'
        )
    others = f' (or one of {linear[-8:-1]})' if len(linear) > 1 else ''
    return f'Set `{option}={linear[-1]!r}`{others}.'
