"""Taps: what named sub-modules put out during one forward.

A tap may name a parameter as well, such as ``'head.fc.weight'``: its value.
"""

from __future__ import annotations

import contextlib
import difflib
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable, Union

import torch
from torch import Tensor, nn

__all__ = ['Taps', 'check_taps', 'recorded']


class Taps:
    """Names of the outputs that a loss reads from one network.

    Args:
        names: One name, several, or None. A name is ``'logits'``, or that of
            a sub-module or parameter, as in ``named_modules()`` and
            ``named_parameters()``.
    """

    def __init__(self, names: Union[str, Sequence[str], None]) -> None:
        self._given = names
        self.names = (names,) if isinstance(names, str) else tuple(names or ())
        if not all(isinstance(name, str) for name in self.names):
            raise TypeError(
                'Expected taps to be a name, a list of names or None, but got '
                f'{names!r}.'
            )

    def pick(self, outputs: Mapping[str, Any]) -> Any:
        """Return one output, a tuple of several, or None for no name."""
        if self._given is None:
            return None
        picked = tuple(outputs[name] for name in self.names)
        return picked[0] if isinstance(self._given, str) else picked


def check_taps(model: nn.Module, names: Iterable[str], owner: str) -> None:
    """Make sure that every name is a sub-module or a parameter.

    Raises:
        ValueError: With the nearest names that there are.
    """
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
    model: nn.Module, names: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """Record the outputs of sub-modules while the block runs.

    The hooks live for the block only, so that a copy or an export never meets
    them.

    Args:
        model: The network whose forward is called in the block.
        names: Its sub-modules, as in ``named_modules()``, and parameters.

    Yields:
        A dict that maps each name to its output, filled by the forward, or to
        the parameter.

    Raises:
        RuntimeError: The forward reached one of them never or twice, inside a
            checkpointed block, or overwrote its output in place.
    """
    named = {name: operator.attrgetter(name)(model) for name in names}
    outputs: dict[str, Any] = {
        name: value
        for name, value in named.items()
        if isinstance(value, Tensor)
    }
    modules = {name: m for name, m in named.items() if name not in outputs}
    with_gradient = torch.is_grad_enabled()
    versions: dict[str, list[int]] = {}
    calls: dict[str, int] = dict.fromkeys(modules, 0)

    def hook_for(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, output: Any) -> None:
            if with_gradient and not torch.is_grad_enabled():
                raise RuntimeError(
                    f'Expected a gradient to flow through the tap {name!r}, '
                    'but it is inside a block with activation checkpointing '
                    '(with_cp) or torch.no_grad. Name the whole block.'
                )
            calls[name] += 1
            outputs[name] = output
            versions[name] = _versions(output)

        return hook

    with contextlib.ExitStack() as hooks:
        for name, module in modules.items():
            handle = module.register_forward_hook(hook_for(name))
            hooks.callback(handle.remove)
        yield outputs
    _check_recorded(model, outputs, calls, versions)


def _check_recorded(
    model: nn.Module,
    outputs: dict[str, Any],
    calls: dict[str, int],
    versions: dict[str, list[int]],
) -> None:
    """Make sure that each tap was reached once, and its output left alone."""
    for name, count in calls.items():
        if count != 1:
            raise RuntimeError(
                f'Expected the forward of {type(model).__name__} to reach '
                f'the tap {name!r} once, but it did {count} times. Name a '
                'sub-module that runs once.'
            )
    for name, version in versions.items():
        if _versions(outputs[name]) != version:
            raise RuntimeError(
                f'Expected the output of the tap {name!r} to last, but a '
                'later layer overwrote it in place (ReLU(inplace=True), say). '
                'Name that layer or the block around both.'
            )


def _versions(output: Any) -> list[int]:
    """Return how often each tensor of an output was written to."""
    if isinstance(output, Tensor):
        return [output._version]
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [version for part in output for version in _versions(part)]
    return []
