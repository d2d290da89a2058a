"""How hard each loss term pulls at the student's logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..taps import as_logits, recorded
from .batch import total
from .finding import Finding, warning

__all__ = ['Term', 'check_terms', 'loss_of', 'measure_terms']

# A term that pulls so much harder than the student's own loss, or so little.
MOST, LEAST = 10, 0.02


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    Attributes:
        name: As in the log.
        loss: Its name in `distill_losses`, None for the student's own.
        value: Its mean over the batches, weights included.
        gradient: Norm of its gradient at the logits, mean over the batches;
            None where it acts on features alone.
        ratio: `gradient` over that of the student's own loss, None without
            either.
    """

    name: str
    loss: Optional[str]
    value: float
    gradient: Optional[float]
    ratio: Optional[float]


def measure_terms(
    model: Any, batches: Iterable[Mapping[str, Any]]
) -> list[Term]:
    """Measure the size of each loss term and of its gradient at the logits.

    Args:
        model: A classifier in training mode; nothing is updated but running
            statistics.
        batches: Preprocessed batches, with ``inputs`` and ``data_samples``.

    Returns:
        The student's own terms, then those of distillation.
    """
    tap = getattr(model, 'logits_tap', 'head')
    values: dict[str, list[float]] = {}
    gradients: dict[str, list[float]] = {}
    for batch in batches:
        with recorded(model, {'logits': tap}) as outputs:
            losses = model.loss(batch['inputs'], batch['data_samples'])
        logits = as_logits(outputs['logits'], model, tap, 'logits_tap')
        terms = {k: total(v) for k, v in losses.items() if 'loss' in k}
        own = sum(v for k, v in terms.items() if loss_of(model, k) is None)
        for name, term in {**terms, '': own}.items():
            if not isinstance(term, Tensor):
                continue  # no own loss
            values.setdefault(name, []).append(term.item())
            if not term.requires_grad:
                continue
            (gradient,) = torch.autograd.grad(
                term, logits, retain_graph=True, allow_unused=True
            )
            if gradient is not None:
                gradients.setdefault(name, []).append(gradient.norm().item())
    size = mean(gradients.pop('', [0.0]))
    values.pop('', None)
    measured = []
    for name, found in values.items():
        pull = mean(gradients[name]) if name in gradients else None
        ratio = pull / size if pull is not None and size else None
        loss = loss_of(model, name)
        measured.append(Term(name, loss, mean(found), pull, ratio))
    return sorted(measured, key=lambda term: term.loss is not None)


def check_terms(
    terms: Sequence[Term], *, scheduled: bool = False
) -> list[Finding]:
    """Expect terms that pull at the logits about as the student's own loss.

    With a weight that is scheduled, a term may be small at the start.
    """
    findings: list[Finding] = []
    for loss in dict.fromkeys(term.loss for term in terms):
        ratios = {t.ratio: t.name for t in terms if t.loss == loss and t.ratio}
        if loss is None or not ratios:
            continue
        most = max(ratios)
        if most > MOST:
            findings += warning(
                'term-large',
                f'Expected `{ratios[most]}` to pull at the logits about as '
                "the student's own loss does, but its gradient is "
                f'{most:.0f} times as large, so labels hardly count.',
                f'Make `loss_weight` (or gamma, beta ...) of {loss!r} '
                f'smaller; {1 / most:.1g} times as large makes both equal. A '
                'loss without a scale (DIST, a correlation) starts so, and '
                'calms down by itself.',
            )
        elif most < LEAST and not scheduled:
            findings += warning(
                'term-small',
                f'Expected `{ratios[most]}` to pull at the logits about as '
                "the student's own loss does, but its gradient is "
                f'{most:.1g} times as large: it teaches nearly nothing.',
                f'Make `loss_weight` of {loss!r} larger, or look whether the '
                "teacher's answers are as they should be.",
            )
    return findings


def loss_of(model: nn.Module, name: str) -> Optional[str]:
    """Return which of `distill_losses` logs a term, None for none.

    The name of a loss may begin with another's, so the longest one counts.
    """
    fitting = [
        loss
        for loss in getattr(model, 'distill_losses', ())
        if f'{name}_'.startswith(f'loss_{loss}_')
    ]
    return max(fitting, key=len, default=None)
