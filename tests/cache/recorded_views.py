"""A hook for trainings in other processes: what each rank was taught."""

import os
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class RecordedViews(Hook):
    """Write each rank's views, their logits and the trained weights."""

    def before_train(self, runner):
        self.logits = {}

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        samples = data_batch['data_samples']
        teacher = runner.model.module.teacher
        image = data_batch['inputs'][0]  # says on which device
        (rows,) = teacher(image, samples=samples).values()
        views = [sample.view for sample in samples]
        self.logits.update(zip(views, rows))

    def after_train(self, runner):
        weights = dict(runner.model.module.named_parameters())
        path = Path(os.environ['RECORDED_VIEWS']) / f'{get_rank()}.pth'
        torch.save([self.logits, weights], path)
