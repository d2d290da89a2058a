"""Compare the teacher's forward pass: plain, accelerated, in low precision."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from ..teacher import FrozenTeacher
from .measure import Function, Plan, alternate
from .networks import random_images, random_network, read, save
from .results import Group, Row

__all__ = ['measure_teacher']

PLAIN = 'plain'
ERROR = 'largest error of a logit'
DIFFERENCE = 'difference from plain'
PROBABILITY = 'in probability'


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
        A row for each way to run it. The error is against float64, for the
        plain network rounds too; the differences are from the plain one.
    """
    torch.manual_seed(0)
    images = random_images(batch, image_size, plan.device)
    network, teachers = _teachers(name, images, compiled)
    with torch.no_grad():
        logits = {
            way: teacher(images)['logits'].float()  # the first call prepares
            for way, teacher in teachers.items()
        }
        exact = network.double()(images.double())
    errors = partial(_errors, plain=logits[PLAIN], exact=exact)
    functions = {way: _call(t, images) for way, t in teachers.items()}
    seconds = alternate(functions, plan)
    rows = [Row(way, seconds[way], errors(logits[way])) for way in teachers]
    title = f'{name}, {batch} images of {image_size} px'
    return Group(title, [PLAIN], rows)


def _teachers(
    name: str, images: Tensor, compiled: bool
) -> tuple[BaseModel, dict[str, FrozenTeacher]]:
    """Return a network, and it as a teacher in each way."""
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
    return network, teachers


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


def _errors(logits: Tensor, plain: Tensor, exact: Tensor) -> dict[str, float]:
    """Return the largest errors; the plain one is not compared with itself."""
    error = {ERROR: (logits - exact).abs().max().item()}
    if logits is plain:
        return error
    probability = logits.softmax(dim=1) - plain.softmax(dim=1)
    return {
        **error,
        DIFFERENCE: (logits - plain).abs().max().item(),
        PROBABILITY: probability.abs().max().item(),
    }
