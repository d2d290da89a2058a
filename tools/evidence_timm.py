"""The same config, distilled by timm's task: a peer to compare with."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmnkd.checkpoint import load_strictly, read_state_dict


@MODELS.register_module()
class TimmDistilledClassifier(ImageClassifier):
    """Take the settings of a ``DistilledClassifier`` with KD, and ask timm.

    Args:
        teacher: Its `model`, a path, and its `checkpoint`.
        distill_losses: A KDLoss, by the name `kd`.
        student_loss_weight: Of the student's own loss.
        logits_tap: Not read: mmpretrain's forward gives the logits.
        **student: For ImageClassifier.
    """

    def __init__(
        self,
        teacher: dict,
        distill_losses: dict,
        student_loss_weight: float = 1.0,
        logits_tap: str = '',
        **student: Any,
    ) -> None:
        from timm.task.distillation import (
            DistillationTeacher,
            LogitDistillationTask,
        )

        super().__init__(**student)
        network = MODELS.build(Config.fromfile(teacher['model']).model)
        file = teacher['checkpoint']
        load_strictly(network, read_state_dict(file), file)
        network.requires_grad_(False)
        # Both see images as the data preprocessor leaves them.
        self.pretrained_cfg = {'mean': [0.0], 'std': [1.0]}
        network.pretrained_cfg = self.pretrained_cfg
        task = LogitDistillationTask(
            self,
            DistillationTeacher(network),
            criterion=torch.nn.CrossEntropyLoss(),
            task_loss_weight=student_loss_weight,
            distill_loss_weight=distill_losses['kd']['loss_weight'],
            temperature=distill_losses['kd']['temperature'],
            verbose=False,
        )
        self.task = (task,)  # a tuple, so that no module contains itself

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Compute the whole loss, as timm's training script does."""
        target = torch.cat([sample.gt_label for sample in data_samples])
        return {'loss': self.task[0](inputs, target)['loss']}
