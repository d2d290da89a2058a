"""RLD: the golden values and what theory says."""

import pytest
import torch
import torch.nn.functional as F
from newer import cases, check_golden, golden, logits, settings_of

from mmnkd.functional import dkd_loss, kd_loss, nkd_loss, rld_loss, rld_terms

SETTINGS = {'temperature': 4.0, 'alpha': 1.0, 'beta': 8.0}
STUDENT, TEACHER = logits((5, 7)), logits((5, 7), seed=1)
RIGHT = TEACHER.argmax(dim=1)
LAST = TEACHER.argmin(dim=1)


def gradient(loss):
    student = STUDENT.clone().requires_grad_()
    loss(student).sum().backward()
    return student.grad


@pytest.mark.parametrize('case', cases('rld'))
def test_golden_values_and_gradients_are_reproduced(case):
    target = golden(case, 'label')
    check_golden(
        case, lambda s, t: rld_loss(s, t, target, **settings_of(case))
    )


def test_where_the_teacher_is_right_it_is_dkd():
    torch.testing.assert_close(
        rld_loss(STUDENT, TEACHER, RIGHT, **SETTINGS),
        dkd_loss(STUDENT, TEACHER, RIGHT, **SETTINGS),
        rtol=1e-13,
        atol=0,
    )


def test_where_the_teacher_is_right_the_weights_of_kd_make_it_kd():
    t = F.softmax(TEACHER / 4, dim=1).amax(dim=1)
    confidence, below = rld_terms(
        STUDENT, TEACHER, RIGHT, temperature=4.0, alpha=1.0, beta=1.0
    )
    torch.testing.assert_close(
        confidence + (1 - t) * below,
        kd_loss(STUDENT, TEACHER, temperature=4.0, reduction='none'),
    )


def test_its_second_term_has_the_gradient_of_nkd_where_the_teacher_is_right():
    settings = {'temperature': 4.0, 'alpha': 0.0, 'beta': 3.0}

    def nontarget(student):
        both = {'temperature': 4.0, 'reduction': 'sum'}
        return nkd_loss(student, TEACHER, RIGHT, gamma=3.0, **both) - nkd_loss(
            student, TEACHER, RIGHT, gamma=0.0, **both
        )

    torch.testing.assert_close(
        gradient(
            lambda s: rld_loss(s, TEACHER, RIGHT, **settings, reduction='sum')
        ),
        gradient(nontarget),
    )


def test_a_target_ranked_last_leaves_the_first_term():
    _, below = rld_terms(STUDENT, TEACHER, LAST, **SETTINGS)
    assert not below.any()
    grad = gradient(lambda s: rld_terms(s, TEACHER, LAST, **SETTINGS)[1])
    assert not grad.any()


def test_one_class_below_the_target_adds_nothing():
    target = TEACHER.topk(6).indices[:, -1]
    _, below = rld_terms(STUDENT, TEACHER, target, **SETTINGS)
    grad = gradient(lambda s: rld_terms(s, TEACHER, target, **SETTINGS)[1])
    assert not below.any()
    assert grad.abs().max() < 1e-15


def test_masked_classes_feel_the_first_term_alone_in_the_ratio_of_s():
    target = TEACHER.topk(3).indices[:, -1]  # two are ranked above
    above = TEACHER.topk(2).indices
    both = gradient(lambda s: rld_loss(s, TEACHER, target, **SETTINGS))
    first = gradient(
        lambda s: rld_loss(s, TEACHER, target, **{**SETTINGS, 'beta': 0.0})
    )
    torch.testing.assert_close(both.gather(1, above), first.gather(1, above))
    ratio = first / F.softmax(STUDENT / 4, dim=1)
    torch.testing.assert_close(
        ratio.gather(1, above[:, :1]), ratio.gather(1, above[:, 1:])
    )


def test_the_first_term_has_the_gradient_of_the_formula():
    target = torch.tensor([0, 6, 3, 3, 1])
    settings = {'temperature': 1.0, 'alpha_temperature': 2.0}
    settings |= {'alpha': 1.5, 'beta': 0.0, 'reduction': 'sum'}
    actual = gradient(lambda s: rld_loss(s, TEACHER, target, **settings))
    s = F.softmax(STUDENT / 2, dim=1)
    top = F.softmax(TEACHER / 2, dim=1).amax(dim=1, keepdim=True)
    is_target = F.one_hot(target, 7)
    s_t = (s * is_target).sum(dim=1, keepdim=True)
    others = (top - s_t) * s / (1 - s_t) * (1 - is_target)
    expected = 1.5 * 2 * (others + (s_t - top) * is_target)
    torch.testing.assert_close(actual, expected)


def test_logits_above_the_targets_may_change_without_any_effect():
    target = TEACHER.topk(3).indices[:, -1]
    higher = TEACHER.scatter_add(
        1, TEACHER.topk(2).indices, torch.rand(5, 2).double()
    )
    settings = {'temperature': 4.0, 'alpha': 0.0, 'beta': 8.0}
    assert torch.equal(
        rld_loss(STUDENT, TEACHER, target, **settings),
        rld_loss(STUDENT, higher, target, **settings),
    )


def test_ties_with_the_target_are_masked():
    teacher = torch.tensor([[2.0, 2.0, 1.0, 0.0]]).double()
    student, target = logits((1, 4)), torch.tensor([0])
    _, below = rld_terms(student, teacher, target, **SETTINGS)
    expected = 128 * F.kl_div(
        F.log_softmax(student[:, 2:] / 4, dim=1),
        F.log_softmax(teacher[:, 2:] / 4, dim=1),
        reduction='sum',
        log_target=True,
    )
    torch.testing.assert_close(below[0], expected)


def test_the_temperature_of_the_first_term_is_that_of_the_second():
    assert torch.equal(
        rld_loss(STUDENT, TEACHER, RIGHT, **SETTINGS),
        rld_loss(STUDENT, TEACHER, RIGHT, **SETTINGS, alpha_temperature=4.0),
    )


def test_a_teacher_with_nothing_but_minus_infinity_below_says_nothing():
    teacher = torch.tensor([[3.0, 2.0, -torch.inf, -torch.inf]])
    student = logits((1, 4)).float()
    target = torch.tensor([1])
    _, below = rld_terms(student, teacher, target, **SETTINGS)
    assert below.item() == 0
