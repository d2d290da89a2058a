"""The same student and teacher in timm's distillation task."""

from __future__ import annotations

from typing import Optional

from torch import Tensor, nn

__all__ = ['timm_task']

# timm assumes these of a teacher that says nothing else: with the same for
# the student, the images are handed on as they are, as here.
MEAN_AND_STD = {'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225)}


def timm_task(student: nn.Module, teacher: nn.Module) -> Optional[nn.Module]:
    """Return a ``LogitDistillationTask``, or None where timm has none.

    Args:
        student: A classifier of mmpretrain.
        teacher: Another one.
    """
    try:
        from timm.task import LogitDistillationTask
    except ImportError:
        return None
    task = LogitDistillationTask(
        _Logits(student),
        _Logits(teacher),
        criterion=nn.CrossEntropyLoss(),
        verbose=False,
    )
    return task.to(next(student.parameters()).device)


class _Logits(nn.Module):
    """Map images to logits, and tell timm what it asks a network for."""

    pretrained_cfg = MEAN_AND_STD
    num_classes = None
    in_chans = 3

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)
