"""Whether a network still puts out what it did: errors, and their limits."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor

from .forward import Forward

__all__ = [
    'EXACT',
    'Errors',
    'Limits',
    'LogitsOf',
    'Outputs',
    'full_precision',
]

# From what a network and its taps put out, logits or None.
LogitsOf = Callable[[Any, dict[str, Any]], Optional[Tensor]]


class Limits(NamedTuple):
    """Hold the largest errors that a step may bring.

    The one in probability alone would let anything pass where the teacher is
    sure, or where there are many classes.
    """

    probability: float
    relative: float


EXACT = Limits(1e-4, 1e-3)


class Errors(NamedTuple):
    """Hold the largest errors; None of what there is not."""

    logit: Optional[float]
    spread: Optional[float]  # standard deviation of the logits
    probability: Optional[float]
    features: Optional[float]  # relative to the largest

    def is_within(self, limits: Limits) -> bool:
        """Tell whether no error is larger; NaN is."""
        relative, probability = [], []
        if self.logit is not None and self.spread is not None:
            relative.append(self.logit / max(self.spread, _TINY))
        if self.probability is not None:
            probability.append(self.probability)
        if self.features is not None:
            relative.append(self.features)
        return all(error <= limits.relative for error in relative) and all(
            error <= limits.probability for error in probability
        )

    def __str__(self) -> str:
        parts = []
        if self.logit is not None:
            parts += [
                f'by up to {self.logit:.1e} in the logits (whose standard '
                f'deviation is {self.spread:.1e})',
                f'{self.probability:.1e} in probability',
            ]
        if self.features is not None:
            parts.append(
                f'by up to {self.features:.1e} of the largest feature'
            )
        return ', '.join(parts)


class Outputs(NamedTuple):
    """Hold what a network puts out for some images."""

    logits: Optional[Tensor]
    features: list[Tensor]

    @classmethod
    def of(
        cls,
        forward: Forward,
        images: Tensor,
        names: Collection[str],
        logits_of: LogitsOf,
    ) -> Outputs:
        """Run a network, see :class:`Speedup`."""
        result, outputs = forward(images, names)
        logits = logits_of(result, outputs)
        features = list(_tensors(outputs))
        return cls(None if logits is None else logits.float(), features)

    def error(self, expected: Outputs) -> Errors:
        """Compare with the outputs of the plain network."""
        logit = spread = probability = features = None
        if self.logits is not None and expected.logits is not None:
            logit = _largest(self.logits - expected.logits)
            spread = expected.logits.std(dim=1).mean().item()
            probability = _largest(
                self.logits.softmax(dim=1) - expected.logits.softmax(dim=1)
            )
        if len(self.features) != len(expected.features):
            raise ValueError('the taps put out another number of tensors')
        errors = [
            _largest(a.float() - b.float()) / max(_largest(b.float()), _TINY)
            for a, b in zip(self.features, expected.features)
        ]
        if errors:  # of max() alone, a NaN would get lost
            features = torch.tensor(errors).max().item()
        return Errors(logit, spread, probability, features)


_TINY = torch.finfo(torch.float32).tiny


def _largest(tensor: Tensor) -> float:
    return tensor.abs().max().item()


def _tensors(output: Any) -> Iterator[Tensor]:
    """Yield what an output has of floating tensors."""
    if isinstance(output, Tensor):
        if output.is_floating_point() and output.numel():
            yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _tensors(part)
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _tensors(part)


@contextlib.contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compare without the autocast and TF32 that may be around."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == 'cuda':
            stack.enter_context(_without_tf32())
        yield


@contextlib.contextmanager
def _without_tf32() -> Iterator[None]:
    places: list[Any] = [
        getattr(torch.backends.cudnn, 'conv', None),
        torch.backends.cuda.matmul,
    ]
    name: str = 'fp32_precision'
    value: Any = 'ieee'
    if not all(hasattr(place, name) for place in places):  # older
        places = [torch.backends.cudnn, torch.backends.cuda.matmul]
        name, value = 'allow_tf32', False
    before = [getattr(place, name) for place in places]
    try:
        for place in places:
            setattr(place, name, value)
        yield
    finally:
        for place, old in zip(places, before):
            setattr(place, name, old)
