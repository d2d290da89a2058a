"""Compare a training step: forward, losses, backward; no optimizer.

The optimizer's step is the same for all, and would only hide differences.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from .measure import Function, Plan, alternate, peak_memory
from .networks import build, random_images, random_network, read, save
from .results import Group, Row
from .timm_task import timm_task

__all__ = ['MEMORY', 'measure_step', 'read_student']

STUDENT = 'student'
TEACHER = 'teacher forward'
BOTH = 'student + teacher forward'
MEMORY = 'peak MB above student'
NO_LOSSES = 'distilled, no losses'
TIMM = "timm's LogitDistillationTask"
WAYS: dict[str, dict[str, Any]] = {
    'distilled, plain teacher': {'accelerate': False},
    'distilled (default)': {},
    'distilled, bfloat16 teacher': {'dtype': 'bfloat16'},
}


def measure_step(
    student: str, teacher: str, batch: int, image_size: int, plan: Plan
) -> Group:
    """Time a training step of a student, alone and distilled with NKD.

    Args:
        student: Short name, config or model-zoo name of an ImageClassifier.
        teacher: The same of the teacher.
        batch: Number of images.
        image_size: Their height and width.
        plan: How to measure.

    Returns:
        A row for each kind of step, and one with the sums, round by round, of
        the student's step and the plain teacher's forward pass.
    """
    torch.manual_seed(0)
    images = random_images(batch, image_size, plan.device)
    functions = _functions(student, teacher, images)
    seconds = alternate(functions, plan)
    rows = [Row(name, seconds[name]) for name in functions]
    pairs = zip(seconds[STUDENT], seconds[TEACHER])
    both = Row(BOTH, [student + teacher for student, teacher in pairs])
    rows.insert(2, both)
    _add_memory(rows, functions, plan.device)
    title = f'{student} from {teacher}, {batch} images of {image_size} px'
    return Group(title, [BOTH, STUDENT], rows)


def read_student(name: str) -> ConfigDict:
    """Return the model dict of a student that can be measured.

    Raises:
        FileNotFoundError, ValueError: There is none, or of another type.
    """
    config = read(name)
    if config.type != 'ImageClassifier':
        raise ValueError(
            'Expected a student of type ImageClassifier, but that of '
            f'{name!r} is a {config.type}.'
        )
    return config


def _functions(
    student: str, teacher: str, images: Tensor
) -> dict[str, Function]:
    student_config, teacher_config = read_student(student), read(teacher)
    plain = random_network(student_config, images)
    network = random_network(teacher_config, images).requires_grad_(False)
    labels = _labels(plain, images)
    functions: dict[str, Function] = {
        STUDENT: _step(plain, images, labels),
        TEACHER: _forward(network, images),
        NO_LOSSES: _step(_distilled(student_config, plain), images, labels),
    }
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = save(network, Path(folder))
        for way, options in WAYS.items():
            model = _distilled(
                student_config,
                plain,
                teacher={
                    'model': teacher_config,
                    'checkpoint': checkpoint,
                    **options,
                },
                distill_losses={'nkd': {'type': 'NKDLoss'}},
            )
            functions[way] = _step(model, images, labels)
            functions[way]()  # reads the weights, and checks itself
    task = timm_task(plain, network)
    if task is not None:
        functions[TIMM] = _task_step(task, images, labels)
    return functions


def _distilled(config: ConfigDict, plain: nn.Module, **keys: Any) -> BaseModel:
    """Return a distilled student with the weights of the plain one."""
    model = build({**config, 'type': 'DistilledClassifier', **keys})
    model.load_state_dict(plain.state_dict())
    return model.to(next(plain.parameters()).device)


def _labels(network: nn.Module, images: Tensor) -> Tensor:
    """Draw a class for each image."""
    with torch.no_grad():
        classes = network(images).shape[1]
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (len(images),), generator=generator)
    return labels.to(images.device)


def _step(model: BaseModel, images: Tensor, labels: Tensor) -> Function:
    samples = [
        DataSample().set_gt_label(label).to(images.device) for label in labels
    ]

    def step() -> None:
        loss, _ = model.parse_losses(model(images, samples, mode='loss'))
        loss.backward()
        model.zero_grad(set_to_none=True)  # so that gradients count as memory

    model.train()
    return step


def _task_step(task: nn.Module, images: Tensor, labels: Tensor) -> Function:
    def step() -> None:
        task(images, labels)['loss'].backward()
        task.zero_grad(set_to_none=True)

    task.train()
    return step


def _forward(network: nn.Module, images: Tensor) -> Function:
    @torch.no_grad()
    def forward() -> None:
        network(images)

    network.eval()
    return forward


def _add_memory(
    rows: list[Row], functions: dict[str, Function], device: torch.device
) -> None:
    alone = peak_memory(functions[STUDENT], device)
    for row in rows:
        if row.name in functions and row.name not in (STUDENT, TEACHER):
            more = peak_memory(functions[row.name], device) - alone
            row.values[MEMORY] = round(more / 2**20, 2)
