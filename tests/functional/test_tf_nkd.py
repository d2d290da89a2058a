"""tf-NKD against theory."""

import pytest
import torch
import torch.nn.functional as F
from draws import TARGETS, logits

from mmnkd.functional import tf_nkd_loss


@pytest.mark.parametrize('shape', [(5, 7), (1, 2)])
@TARGETS
def test_tf_nkd_has_the_gradient_of_a_constant_weight(shape, make_target):
    # w is stop_grad: numeric differentiation of the whole would see it move.
    student, target = logits(shape).requires_grad_(), make_target(shape)
    tf_nkd_loss(student, target, reduction='sum').backward()
    per_class = torch.zeros(shape, dtype=torch.float64)
    probs = F.softmax(student.detach(), dim=1)
    scores = target if target.ndim == 2 else F.one_hot(target, shape[1])
    ranked = scores.double().topk(2, dim=1)
    for k in range(2):
        having = ranked.values[:, k] > 0
        rows = torch.arange(shape[0])[having]
        columns = ranked.indices[having, k]
        s_t = probs[rows, columns]
        weight = s_t + ranked.values[having, k] - s_t.mean()
        per_class[rows, columns] += weight
    # d(-w log S_t)/dz = w (S - onehot_t)
    expected = per_class.sum(dim=1, keepdim=True) * probs - per_class
    torch.testing.assert_close(student.grad, expected, rtol=1e-9, atol=1e-12)


def test_second_labels_are_averaged_over_those_who_have_one():
    student = logits((3, 4))
    scores = torch.tensor([[1.0, 0, 0, 0], [0.7, 0.3, 0, 0], [0, 0, 0.4, 0.6]])
    loss = tf_nkd_loss(student, scores, reduction='none')
    probs = F.softmax(student, dim=1)
    first_mean = (probs[0, 0] + probs[1, 0] + probs[2, 3]) / 3
    # Sample 0 has no second label: not in its mean, no term of its own.
    expected = -(probs[0, 0] + 1 - first_mean) * probs[0, 0].log()
    torch.testing.assert_close(loss[0], expected)
