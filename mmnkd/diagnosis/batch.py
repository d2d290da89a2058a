"""What one batch shows: images, labels, what the networks put out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Optional

import torch
from torch import Tensor

from .data import check_labels
from .finding import Finding, error, warning

__all__ = ['check_batch', 'top1', 'total']

_FLAT = 0.98  # of the entropy that equal probabilities have
_SURE = 0.6  # is the top-1 of a teacher that knows the classes, at least


def check_batch(
    images: Tensor,
    target: Optional[Tensor] = None,
    *,
    num_classes: Optional[int] = None,
    teacher: Optional[Mapping[str, Any]] = None,
    losses: Optional[Mapping[str, Any]] = None,
    teacher_size: Optional[tuple[int, int]] = None,
) -> list[Finding]:
    """Look at a batch; values are read, so a GPU is waited for.

    Args:
        images: (N, channels, height, width), preprocessed.
        target: (N,) class indices or (N, C) scores, None without labels.
        num_classes: Classes of the student's head, None if it doesn't tell.
        teacher: The teacher's outputs by tap, of which ``'logits'`` are
            (N, C); None before it was asked.
        losses: Values by their names in the log; None before.
        teacher_size: (height, width) to which the teacher's images were
            resized, None if they weren't.

    Returns:
        ``images-nan``, ``label-range``, ``teacher-nan``,
        ``teacher-constant``, ``loss-nan`` (errors), ``teacher-flat``,
        ``teacher-chance``, ``loss-share`` (warnings).
    """
    findings = _check_images(images)
    if target is not None and target.ndim == 1 and num_classes:
        low, high = (int(value) for value in target.aminmax())
        findings += check_labels(low, high, num_classes)
    if teacher is not None:
        findings += _check_outputs(images, teacher, target, teacher_size)
    return findings + _check_losses(losses or {})


def top1(logits: Tensor, target: Optional[Tensor]) -> Optional[int]:
    """Return how many samples have their label on top; None without labels.

    Of mixed labels the larger one counts.
    """
    if target is None or target.shape[:1] != logits.shape[:1]:
        return None
    labels = target.argmax(dim=1) if target.ndim == 2 else target
    return int((logits.argmax(dim=1) == labels).sum())


def _check_images(images: Tensor) -> list[Finding]:
    if bool(images.isfinite().all()):
        return []
    return error(
        'images-nan',
        'Expected images of finite numbers, but they come out of '
        'preprocessing with NaN or infinity.',
        'Look at `mean` and `std` of `data_preprocessor` (a std of 0?) '
        'and at the pipeline.',
    )


def _check_outputs(
    images: Tensor,
    teacher: Mapping[str, Any],
    target: Optional[Tensor],
    size: Optional[tuple[int, int]],
) -> list[Finding]:
    wrong = [tap for tap, output in teacher.items() if _has_nan(output)]
    if wrong:
        return error(
            'teacher-nan',
            'Expected finite outputs of the teacher, but got NaN or '
            f'infinity in {sorted(wrong)}.',
            'Look at its checkpoint and at `mean` and `std` of its '
            '`data_preprocessor`; test the teacher alone.',
        )
    logits = teacher.get('logits')
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        return []
    logits = logits.detach().float()
    differ = bool((images != images[:1]).any())
    if differ and _is_constant(logits):
        return error(
            'teacher-constant',
            f'Expected the teacher to tell {len(logits)} images apart, '
            'but it puts out the same logits for all of them.',
            'Look at its checkpoint and its `data_preprocessor`; test '
            'the teacher alone.',
        )
    return _check_flat(logits) + _check_chance(logits, target, size)


def _check_flat(logits: Tensor) -> list[Finding]:
    classes = logits.shape[1]
    share = logits.softmax(dim=1)
    entropy = torch.special.entr(share).sum(dim=1).mean().item()
    if entropy < _FLAT * math.log(classes):
        return []
    largest = share.amax(dim=1).mean().item()
    return warning(
        'teacher-flat',
        'Expected a teacher with an opinion, but its probabilities are '
        f'nearly equal: the largest is {largest:.2g} on average, and '
        f'1/{classes} is {1 / classes:.2g}.',
        'Look whether its checkpoint was trained, and whether '
        '`logits_tap` is what puts out logits.',
    )


def _check_chance(
    logits: Tensor,
    target: Optional[Tensor],
    size: Optional[tuple[int, int]],
) -> list[Finding]:
    """Expect more right than two standard deviations above chance."""
    right = top1(logits, target)
    count, classes = logits.shape
    if right is None or count < 8:  # too few to tell
        return []
    chance = 1 / classes
    limit = chance + 2 * math.sqrt(chance * (1 - chance) / count)
    # Few images of few classes: a good teacher may be below the limit.
    if right / count > limit or limit > _SURE:
        return []
    at = f' at `input_size={size}`' if size else ''
    return warning(
        'teacher-chance',
        f'Expected a teacher that knows the classes, but its top-1 on '
        f'the first batch{at} is {100 * right / count:.1f} % ({right} of '
        f'{count}), no better than chance ({100 * chance:.2g} %).',
        'Look at its checkpoint, the order of its classes, its '
        '`data_preprocessor` and `input_size`.',
    )


def _check_losses(losses: Mapping[str, Any]) -> list[Finding]:
    """Expect finite losses, and none that drowns or is drowned."""
    sizes = {k: abs(total(v).item()) for k, v in losses.items() if 'loss' in k}
    wrong = [name for name, size in sizes.items() if not math.isfinite(size)]
    if wrong:
        return error(
            'loss-nan',
            'Expected finite losses on the first batch, but got NaN or '
            f'infinity in {wrong}.',
            'Look at their weights and temperatures, and at the scores '
            'of mixed labels.',
        )
    return [
        Finding(
            'loss-share',
            'warning',
            f'Expected losses that matter beside each other, but `{name}` is '
            f'{size:.1e} on the first batch and the others {rest:.1e}.',
            'Look at its `loss_weight`.',
        )
        for name, size in sizes.items()
        for rest in [sum(sizes.values()) - size]
        if 0 < size < 1e-6 * rest or 0 < rest < 1e-4 * size
    ]


def total(value: Any) -> Tensor:
    """Return what mmengine sums of a tensor, or a list of them."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    means = [torch.as_tensor(part).float().mean() for part in parts]
    return torch.stack(means).sum()


def _is_constant(logits: Tensor) -> bool:
    low, high = logits.aminmax(dim=0)
    spread = torch.where(high == low, 0.0, high - low)  # -inf is a mask
    size = logits[logits.isfinite()].abs().max().clamp(min=1e-12)
    return bool(spread.max() <= 1e-6 * size)


def _has_nan(output: Any) -> bool:
    """Tell whether a tensor has NaN or infinity; -inf masks a class."""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return False
    wrong = output.isnan() | output.isposinf()
    if output.ndim == 2:
        wrong = wrong | output.isneginf().all(dim=1, keepdim=True)
    return bool(wrong.any())
