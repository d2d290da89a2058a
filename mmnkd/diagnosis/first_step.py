"""The first training step: looked at once, and told in one log block."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Optional

import torch
from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn

from .batch import check_batch, top1, total
from .finding import check_names, settle
from .networks import (
    check_networks,
    count_parameters,
    kind_of,
    live_teachers,
)
from .terms import loss_of

__all__ = ['FirstStep']


class FirstStep:
    """Check networks and batch of a model's first training step.

    Values are read here, and in no later step.

    Args:
        ignored: Names of findings that say nothing.

    Attributes:
        is_due: Whether the step is still to come.

    Raises:
        TypeError, ValueError: `ignored` isn't a list of such names.
    """

    def __init__(self, ignored: Collection[str] = ()) -> None:
        check_names(ignored)
        self.ignored = tuple(ignored)
        self.is_due = True

    @torch.compiler.disable
    def begin(
        self, model: nn.Module, images: Tensor, target: Optional[Tensor]
    ) -> None:
        """Check what goes into the step.

        Args:
            model: A distilled classifier, its teacher built.
            images: (N, channels, height, width), preprocessed.
            target: (N,) class indices or (N, C) scores, None without labels.

        Raises:
            ValueError: What is wrong and what to do.
        """
        info = MessageHub.get_current_instance().runtime_info
        if 'loop_stage' not in info:  # of a Runner that has finished
            info = {}
        findings = check_networks(
            model,
            classes=(info.get('dataset_meta') or {}).get('classes'),
            max_epochs=_max_epochs(info),
            max_iters=info.get('max_iters'),
        )
        findings += check_batch(
            images, target, num_classes=num_classes_of(model)
        )
        settle(findings, self.ignored)

    @torch.compiler.disable
    @torch.no_grad()
    def end(
        self,
        model: nn.Module,
        images: Tensor,
        target: Optional[Tensor],
        teacher: Mapping[str, Any],
        logged: Mapping[str, Any],
    ) -> None:
        """Check what came out of the step, and say what is trained.

        Args:
            model: The classifier.
            images: (N, channels, height, width), preprocessed.
            target: (N,) class indices or (N, C) scores, None without labels.
            teacher: The teacher's outputs by tap.
            logged: Losses by their names in the log.

        Raises:
            ValueError: What is wrong and what to do.
        """
        self.is_due = False
        sizes = [t.input_size for t in live_teachers(model).values()]
        findings = check_batch(
            images,
            target,
            teacher=teacher,
            losses=logged,
            teacher_size=next(filter(None, sizes), None),
        )
        lines = describe(model, images, target, teacher, logged)
        print_log('\n  '.join(lines), 'current')
        if any(t.checkpoint is None for t in live_teachers(model).values()):
            # Asked for: mmpretrain's transformers start with a head of zeros.
            findings = [f for f in findings if f.name != 'teacher-constant']
        settle(findings, self.ignored)


def num_classes_of(model: nn.Module) -> Optional[int]:
    """Return how many classes a classifier's head has, None if it is silent.

    Of mmpretrain's heads, timm's networks and those of transformers.
    """
    network = getattr(model, 'head', None) or getattr(model, 'model', None)
    config = getattr(network, 'config', None)
    for owner, name in ((network, 'num_classes'), (config, 'num_labels')):
        count = getattr(owner, name, None)
        if isinstance(count, int) and count > 0:
            return count
    return None


def _max_epochs(info: Mapping[str, Any]) -> Optional[int]:
    """Return how many epochs a training has, None if it counts iterations.

    mmengine's loop of iterations says 1; its config tells it apart.
    """
    config = info.get('cfg') or ''
    part = re.search(r'^train_cfg = .*(?:\n .*)*', config, re.MULTILINE)
    if part is not None and 'max_iters=' in part[0]:
        return None
    return info.get('max_epochs')


def describe(
    model: Any,
    images: Tensor,
    target: Optional[Tensor],
    teacher: Mapping[str, Any],
    logged: Mapping[str, Any],
) -> Iterator[str]:
    """Yield lines that say what a step trained, see :meth:`FirstStep.end`."""
    yield f'Distilling; the first batch has {len(images)} images'
    yield (
        f'student: {kind_of(model)}, {_millions(model)}; images '
        f'{_of_images(images)}'
    )
    live = live_teachers(model)
    for who, one in live.items():
        source = one.checkpoint or 'no checkpoint'
        yield (
            f'{who.split()[-1]}: {kind_of(one.network)}, '
            f'{_millions(one.network)} from {source} (hash '
            f'{one.weights_hash}), {one.mode} mode; images '
            f'{_of_images(one.adapted(images))}'
        )
    if teacher and not live:
        yield repr(model.teacher)
    logits = teacher.get('logits')
    if isinstance(logits, Tensor) and logits.ndim == 2:
        right = top1(logits, target)
        if right is not None:
            share = 100 * right / len(logits)
            yield f"teacher's top-1: {share:.1f} % ({right} of {len(logits)})"
    own = set(logged)
    for name in model.distill_losses.active:
        loss = model.distill_losses[name]
        terms = [key for key in logged if loss_of(model, key) == name]
        own -= {*terms}
        values = ', '.join(f'{k} {total(logged[k]):.4g}' for k in terms)
        numbers = ', '.join(
            f'{key}={value}'
            for key, value in vars(loss).items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        )
        yield f'{name}: {type(loss).__name__}({numbers}): {values}'
    weight = model.student_loss_weight
    values = ', '.join(f'{k} {total(logged[k]):.4g}' for k in sorted(own))
    yield f"the student's own, weight {weight}: {values}"


def _millions(network: nn.Module) -> str:
    return f'{count_parameters(network) / 1e6:.2f} M parameters'


def _of_images(images: Tensor) -> str:
    shape = 'x'.join(map(str, images.shape[1:]))
    low, high = images.aminmax()
    return f'{shape} from {low:.2f} to {high:.2f}'
