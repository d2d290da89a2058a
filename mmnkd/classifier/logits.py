"""Whether a student's head puts out logits that a softmax fits."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from mmpretrain.models.heads import MultiLabelClsHead
from torch import nn

from ..taps import check_taps, describe, tap_advice


def check_head(model: nn.Module, tap: str) -> None:
    """Refuse a head whose output isn't plain logits, before any training."""
    if getattr(model, tap, model) is None:
        raise ValueError(
            f'Expected a student with a `{tap}` that puts out logits, but it '
            'has none. Set `logits_tap`, or take losses on features.'
        )
    check_taps(model, [tap], 'student')
    head = model.get_submodule(tap)
    if isinstance(head, MultiLabelClsHead):
        raise ValueError(
            f'Expected logits of single-label classes, but '
            f'{describe(model, tap)}, is for several labels a sample, which a '
            'softmax does not fit. If each sample has one label (or a mix of '
            f'two): {tap_advice(model, tap, "logits_tap")}'
        )
    if 'target' in inspect.signature(head.forward).parameters:
        raise ValueError(
            f'Expected plain logits, but {describe(model, tap)}, puts out '
            'logits with a margin that depends on the target. '
            f'{tap_advice(model, tap, "logits_tap")} The scale of the head is '
            'not in its output.'
        )


def check_second_head(model: nn.Module, taps: Collection[str]) -> None:
    """Expect a loss on the second head of a student that has two.

    A head with two names the second one as `second_head`.
    """
    second = getattr(getattr(model, 'head', None), 'second_head', None)
    if second is not None and f'head.{second}' not in taps:
        raise ValueError(
            f'Expected a loss of `distill_losses` on the second head, which '
            'nothing else trains, but they read '
            f'{sorted(taps)}. Set `student_taps={f"head.{second}"!r}` of it.'
        )


def check_same_classes(
    student: Mapping[str, Any], teacher: Mapping[str, Any]
) -> None:
    """Expect as many classes in the logits of both, where they are read."""
    if 'logits' not in student or 'logits' not in teacher:
        return
    classes, others = student['logits'].shape[1], teacher['logits'].shape[1]
    if classes != others:
        raise ValueError(
            'Expected student and teacher to have the same classes, but the '
            f'student has {classes} and the teacher {others}. Set '
            "`teacher.class_indices` to the index of each of the student's "
            "classes among the teacher's, in the student's order."
        )
