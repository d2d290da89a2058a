"""Compare the teacher's forward pass: plain, accelerated, in low precision."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..teacher import FrozenTeacher
from .measure import Function, Plan, alternate
from .networks import random_images, random_network, read, save
from .results import Group, Row

__all__ = ['LOGITS', 'PROBABILITY', 'measure_teacher']

PLAIN = 'plain'
LOGITS = 'largest error of a logit'
PROBABILITY = 'of a probability'


def measure_teacher(
    name: str, batch: int, image_size: int, compiled: bool, plan: Plan
) -> Group:
    """Time a teacher's forward pass, and compare its logits.

    Args:
        name: Short name, config or model-zoo name.
        batch: Number of images.
        image_size: Their height and width.
        compiled: Whether to measure ``compile=True`` too.
        plan: How to measure.

    Returns:
        A row for each way to run it. Errors are against the plain one.
    """
    torch.manual_seed(0)
    images = random_images(batch, image_size, plan.device)
    teachers = _teachers(name, images, compiled)
    with torch.no_grad():
        logits = {
            way: teacher(images)['logits'].float()  # the first call prepares
            for way, teacher in teachers.items()
        }
    functions = {way: _call(t, images) for way, t in teachers.items()}
    seconds = alternate(functions, plan)
    rows = [
        Row(way, seconds[way], _errors(logits[way], logits[PLAIN]))
        for way in teachers
    ]
    title = f'{name}, {batch} images of {image_size} px'
    return Group(title, [PLAIN], rows)


def _teachers(
    name: str, images: Tensor, compiled: bool
) -> dict[str, FrozenTeacher]:
    config = read(name)
    network = random_network(config, images)
    ways = _ways(images.device, compiled)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = save(network, Path(folder))
        teachers = {
            way: FrozenTeacher(config, checkpoint, **options)
            for way, options in ways.items()
        }
        for teacher in teachers.values():
            teacher.build(network.data_preprocessor, ['logits'])
    return teachers


def _ways(device: torch.device, compiled: bool) -> dict[str, dict[str, Any]]:
    ways: dict[str, dict[str, Any]] = {
        PLAIN: {'accelerate': False},
        'accelerated (default)': {},
        'bfloat16': {'dtype': 'bfloat16'},
    }
    if device.type == 'cuda':
        ways['float16'] = {'dtype': 'float16'}
    if compiled:
        ways['compiled'] = {'compile': True}
        ways['compiled, bfloat16'] = {'compile': True, 'dtype': 'bfloat16'}
    return ways


def _call(teacher: FrozenTeacher, images: Tensor) -> Function:
    return lambda: teacher(images)


def _errors(logits: Tensor, plain: Tensor) -> dict[str, float]:
    """Return the largest errors; the plain teacher has none to compare."""
    if logits is plain:
        return {}
    probability = logits.softmax(dim=1) - plain.softmax(dim=1)
    return {
        LOGITS: (logits - plain).abs().max().item(),
        PROBABILITY: probability.abs().max().item(),
    }
