"""What only the experiments need: parts of NKD, and fewer classes."""

import mmpretrain.datasets
import torch.nn.functional as F
from mmengine.registry import MODELS
from mmpretrain.registry import DATASETS
from torch import Tensor, nn

from mmnkd.functional import nkd_terms


@MODELS.register_module()
class PartOfNKD(nn.Module):
    """One part of the cross-entropy with the teacher's probabilities.

    Args:
        part: 'target', its term -T_t log S_t; 'normalized', NKD's non-target
            term; 'unnormalized', the sum of -T_i log S_i over the other
            classes, which NKD normalizes.
        gamma: Factor of the term.
        temperature: Of the normalized term.
    """

    def __init__(
        self, part: str, gamma: float = 1.0, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.part = part
        self.gamma = gamma
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor):
        """Compute the mean over (N, C) logits and (N,) classes."""
        if self.part == 'unnormalized':
            each = -F.softmax(teacher, 1) * F.log_softmax(student, 1)
            own = each.gather(1, target.unsqueeze(1)).sum(1)
            return self.gamma * (each.sum(1) - own).mean()
        terms = nkd_terms(
            student,
            teacher,
            target,
            gamma=self.gamma,
            temperature=self.temperature,
        )
        return terms[self.part == 'normalized'].mean()


@DATASETS.register_module()
class FewClasses(mmpretrain.datasets.FashionMNIST):
    """The first classes of Fashion-MNIST.

    Args:
        classes: How many.
        **kwargs: For FashionMNIST.
    """

    def __init__(self, classes: int, **kwargs):
        self.number = classes
        names = self.METAINFO['classes'][:classes]
        super().__init__(metainfo={'classes': names}, **kwargs)

    def load_data_list(self) -> list:
        """Leave out the other classes."""
        every = super().load_data_list()
        return [each for each in every if each['gt_label'] < self.number]
