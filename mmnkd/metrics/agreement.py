"""How faithfully a student follows its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from mmpretrain.registry import MODELS
from torch import Tensor

from ..classifier.logits import check_same_classes
from ..functional import kd_loss, nkd_terms
from ..functional.checks import check_not_negative, check_positive
from ..teacher import make_teacher
from ..teacher.arguments import expect_live
from ..teacher.source import read_source
from .predictions import scores_and_labels

__all__ = ['StudentTeacherAgreement', 'fidelity']

# Their networks come with the mean and std that they were trained with.
_KNOW_THEIR_IMAGES = ('TimmClassifier', 'HuggingFaceClassifier')


def fidelity(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
) -> dict[str, Tensor]:
    r"""Compare a student's answers with its teacher's, sample by sample.

    Args:
        logits_student: (N, C) logits, or log-probabilities.
        logits_teacher: (N, C) logits, or log-probabilities.
        target: (N,) class indices.
        temperature: Of NKD's non-target term.
        gamma: Weight of NKD's non-target term.

    Returns:
        By name (N,) of float32, or float64 where an input is float64:
        ``agree``, ``student_right`` and ``teacher_right`` (0 or 1), ``kl``
        (:math:`KL(T \| S)` at temperature 1, in nats), and the two terms of
        :func:`mmnkd.functional.nkd_terms`.

    Raises:
        TypeError, ValueError: As :func:`mmnkd.functional.nkd_terms`.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> rows = fidelity(student, teacher, torch.tensor([1]))
        >>> print(*rows)
        agree student_right teacher_right kl nkd_target nkd_nontarget
        >>> print(f'{rows["agree"].item():.0f} {rows["kl"].item():.4f}')
        1 0.1537
    """
    target_term, nontarget_term = nkd_terms(
        logits_student,
        logits_teacher,
        target,
        temperature=temperature,
        gamma=gamma,
    )
    student = logits_student.argmax(dim=1)
    teacher = logits_teacher.argmax(dim=1)
    return {
        'agree': (student == teacher).to(target_term),
        'student_right': (student == target).to(target_term),
        'teacher_right': (teacher == target).to(target_term),
        'kl': kd_loss(
            logits_student, logits_teacher, temperature=1.0, reduction='none'
        ),
        'nkd_target': target_term,
        'nkd_nontarget': nontarget_term,
    }


@METRICS.register_module()
class StudentTeacherAgreement(BaseMetric):
    r"""Measure how faithfully a classifier follows a teacher.

    It gives, with ``agreement/`` in front:

    - ``top1``: how often both choose the same class, in percent;
    - ``kl``: :math:`KL(T \| S)` in nats;
    - ``nkd_target``, ``nkd_nontarget``: the terms of NKD;
    - ``teacher_top1``: the teacher's accuracy, in percent;
    - ``top1_where_teacher_is_right``, ``top1_where_teacher_is_wrong``: the
      classifier's accuracy on either part, in percent; NaN where no sample
      is in it.

    The teacher is built at the first batch, and sees the images that the
    classifier sees. It works with any classifier of mmpretrain.

    Args:
        teacher: Arguments of :class:`FrozenTeacher`, or a list of them.
        data_preprocessor: That of the classifier. It is needed where the
            teacher's config has none of its own.
        temperature: Of NKD's non-target term.
        gamma: Weight of NKD's non-target term.
        **kwargs: See ``mmengine.evaluator.BaseMetric``.

    Raises:
        TypeError, ValueError: As :class:`FrozenTeacher`; the teacher is a
            stored one; in the first batch also where the predictions aren't
            single-label probabilities, or the classes differ.

    Example of a config::

        val_evaluator = [
            dict(type='Accuracy'),
            dict(
                type='StudentTeacherAgreement',
                teacher=dict(
                    model='mmpretrain::resnet/resnet34_8xb32_in1k.py',
                    checkpoint='resnet34.pth',
                ),
            ),
        ]
    """

    default_prefix = 'agreement'

    def __init__(
        self,
        teacher: Union[Mapping[str, Any], Sequence[Mapping[str, Any]]],
        *,
        data_preprocessor: Union[Mapping[str, Any], None] = None,
        temperature: float = 1.0,
        gamma: float = 1.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive('temperature', temperature)
        check_not_negative('gamma', gamma)
        self.settings = {'temperature': temperature, 'gamma': gamma}
        self.teacher = make_teacher(teacher)
        self.sources = expect_live(teacher)
        self.knows_format = data_preprocessor is not None
        self.preprocessor = MODELS.build(
            {'type': 'ClsDataPreprocessor', **(data_preprocessor or {})}
        )

    def process(
        self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Compare one batch.

        Args:
            data_batch: What the data loader put out, with ``inputs``.
            data_samples: The classifier's predictions.
        """
        scores, target = scores_and_labels(data_samples)
        teacher = self._ask(data_batch, scores.device)
        check_same_classes({'logits': scores}, {'logits': teacher})
        # The log of the smallest number: a probability of 0 was rounded.
        log_s = scores.clamp(min=torch.finfo(scores.dtype).tiny).log()
        rows = fidelity(log_s, teacher, target, **self.settings)
        values = torch.stack(list(rows.values()), dim=1).tolist()
        self.results.extend(dict(zip(rows, row)) for row in values)

    @torch.no_grad()
    def _ask(self, data_batch: Any, device: torch.device) -> Tensor:
        if not isinstance(data_batch, Mapping):
            raise ValueError(
                'Expected a batch with the images, which the teacher looks '
                f'at, but got {type(data_batch).__name__}. Evaluate while a '
                'model predicts, not on stored predictions.'
            )
        inputs = data_batch['inputs']
        if any(isinstance(views, (list, tuple)) for views in inputs):
            raise ValueError(
                'Expected one view of each image, but test-time augmentation '
                'makes several. Leave out --tta.'
            )
        preprocessor = self.preprocessor.to(device)
        if not self.teacher.is_built:
            self._check_format()
            self.teacher.build(preprocessor)
        images = preprocessor({'inputs': inputs}, False)
        return self.teacher(images['inputs'])['logits']

    def _check_format(self) -> None:
        """Expect to know how the teacher wants its images normalized."""
        for source in self.sources:
            config = read_source(source['model']).config
            if (
                not self.knows_format
                and config.get('data_preprocessor') is None
                and config['type'] not in _KNOW_THEIR_IMAGES
            ):
                raise ValueError(
                    'Expected a `data_preprocessor`, with which the teacher '
                    'was trained, but neither its model nor this metric has '
                    'one. Add `data_preprocessor={{_base_.data_preprocessor}}'
                    '` to StudentTeacherAgreement.'
                )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the means over all samples.

        Args:
            results: A dict for each sample, see :func:`fidelity`.
        """
        rows = {
            name: torch.tensor([row[name] for row in results]).double()
            for name in results[0]
        }
        right, knows = rows['student_right'], rows['teacher_right'].bool()
        return {
            'top1': 100 * rows['agree'].mean().item(),
            'kl': rows['kl'].mean().item(),
            'nkd_target': rows['nkd_target'].mean().item(),
            'nkd_nontarget': rows['nkd_nontarget'].mean().item(),
            'teacher_top1': 100 * rows['teacher_right'].mean().item(),
            'top1_where_teacher_is_right': 100 * right[knows].mean().item(),
            'top1_where_teacher_is_wrong': 100 * right[~knows].mean().item(),
        }
