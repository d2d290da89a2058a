"""WKD-L: the golden values, the cost, and what theory says."""

import math

import pytest
import reference_newer as reference
import torch
import torch.nn.functional as F
from newer import (
    SINKHORN,
    WKD,
    cases,
    check_golden,
    golden,
    hard,
    logits,
    matrix,
    settings_of,
)

from mmnkd.functional import (
    classifier_cost,
    nkd_terms,
    wkd_loss,
    wkd_terms,
)

STUDENT, TEACHER = logits((5, 7)), logits((5, 7), seed=1)
TARGET = hard((5, 7))


def transport(cost, student=STUDENT, target=TARGET, **settings):
    """Return the second term with a weight of 1, (N,)."""
    settings = {**WKD, 'gamma': 1.0, **settings}
    return wkd_terms(student, TEACHER, target, cost=cost, **settings)[1]


def constant(value, classes=7):
    return value * (1 - torch.eye(classes, dtype=torch.float64))


@pytest.mark.parametrize('case', [*cases('wkd_l'), *cases('wkd_l_soft_label')])
def test_golden_values_and_gradients_are_reproduced(case):
    field = 'score' if 'soft_label' in case else 'label'
    settings = {
        **settings_of(case),
        'cost': golden(case, 'cost').clamp(min=0),  # 0 to 1e-15 is drawn
        'iterations': int(settings_of(case)['iterations']),
    }
    target = golden(case, field)
    check_golden(
        case, lambda s, t: wkd_loss(s, t, target, **settings), '_exact'
    )
    inputs = golden(case, 'logits_student'), golden(case, 'logits_teacher')
    target_term, _ = wkd_terms(*inputs, target, **settings)
    torch.testing.assert_close(
        target_term.mean(), golden(case, 'target_term'), rtol=1e-9, atol=0
    )


def test_a_golden_constant_cost_needs_no_matrix():
    case = '041/wkd_l'
    settings = {**settings_of(case), 'cost': 0.62, 'iterations': 10}
    target = golden(case, 'label')
    check_golden(
        case, lambda s, t: wkd_loss(s, t, target, **settings), '_exact'
    )


@pytest.mark.parametrize('case', cases('wkd_cost_fc'))
def test_golden_costs_of_a_classifier_are_reproduced(case):
    actual = classifier_cost(golden(case, 'fc_weight'), **settings_of(case))
    torch.testing.assert_close(
        actual, golden(case, 'cost'), rtol=1e-9, atol=1e-14
    )


@pytest.mark.parametrize('sharpen', [0.0, 2.0])
def test_the_cost_of_a_classifier_is_the_formula_in_loops(sharpen):
    weight = logits((6, 4)).requires_grad_()
    cost = classifier_cost(weight, sharpen=sharpen)
    expected = torch.tensor(
        reference.classifier_cost(weight.tolist(), sharpen)
    ).double()
    torch.testing.assert_close(cost, expected, rtol=1e-6, atol=1e-7)
    assert cost.min() >= 0
    assert not cost.requires_grad


@pytest.mark.parametrize('cost', [0.62, matrix(7)])
def test_without_weight_it_is_the_target_term_of_nkd(cost):
    loss = wkd_loss(
        STUDENT, TEACHER, TARGET, temperature=2.0, gamma=0.0, cost=cost
    )
    expected, _ = nkd_terms(STUDENT, TEACHER, TARGET)
    torch.testing.assert_close(loss, expected.mean())


@pytest.mark.parametrize('cost', [0.0, torch.zeros(7, 7).double()])
def test_what_costs_nothing_is_no_loss(cost):
    assert not transport(cost).any()


def test_cost_and_regularization_scale_together():
    cost = matrix(7)
    torch.testing.assert_close(
        transport(3 * cost, regularization=0.15), 3 * transport(cost)
    )


def test_a_number_is_a_matrix_that_is_constant_off_the_diagonal():
    student = STUDENT.clone().requires_grad_()
    results = []
    for cost in (0.62, constant(0.62)):
        work = transport(cost, student)
        (grad,) = torch.autograd.grad(work.sum(), student)
        results.append((work, grad))
    torch.testing.assert_close(*results, rtol=1e-11, atol=1e-13)


def test_many_steps_of_a_constant_cost_are_its_total_variation():
    s_hat, t_hat = (
        F.softmax((x / 2).scatter(1, TARGET[:, None], -torch.inf), dim=1)
        for x in (STUDENT, TEACHER)
    )
    expected = 0.62 * (s_hat - t_hat).abs().sum(dim=1) / 2
    actual = transport(0.62, iterations=20000)
    assert (actual - expected).abs().max() < 2e-4


def test_ten_steps_are_not_converged():
    teacher = logits((8, 100), seed=1)
    student, target = teacher + 0.3 * logits((8, 100)), hard((8, 100))
    settings = {'temperature': 8.0, 'gamma': 1.0, 'cost': 0.401}
    ten, many = (
        wkd_terms(student, teacher, target, **settings, iterations=n)[1].mean()
        for n in (10, 2000)
    )
    assert ten < 0.8 * many


def test_permuted_classes_go_with_a_cost_permuted_on_both_axes():
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    cost = matrix(7)
    permuted = wkd_loss(
        STUDENT[:, order],
        TEACHER[:, order],
        order.argsort()[TARGET],
        cost=cost[order][:, order],
        **WKD,
    )
    expected = wkd_loss(STUDENT, TEACHER, TARGET, cost=cost, **WKD)
    torch.testing.assert_close(permuted, expected)


def test_masked_classes_have_no_share_whatever_the_cost():
    keep, cost = [0, 2, 3, 5, 6], matrix(7)
    gone = torch.tensor([1, 4])
    student = STUDENT.index_fill(1, gone, -torch.inf)
    teacher = TEACHER.index_fill(1, gone, -torch.inf)
    target = torch.tensor([0, 2, 3, 0, 2])
    among = torch.tensor([0, 0, 1, 2])[target]
    torch.testing.assert_close(
        wkd_loss(student, teacher, target, cost=cost, **WKD),
        wkd_loss(
            student[:, keep],
            teacher[:, keep],
            among,
            cost=cost[keep][:, keep],
            **WKD,
        ),
    )


def test_the_largest_cost_is_finite_in_float32():
    student = torch.tensor([[1e4, -1e4, 0.0, 5.0]], requires_grad=True)
    for cost in (4.0, constant(4.0, 4).float()):  # 80 times 0.05
        loss = wkd_loss(
            student, -student.detach(), torch.tensor([2]), cost=cost, **WKD
        )
        (grad,) = torch.autograd.grad(loss, student)
        assert torch.isfinite(loss)
        assert torch.isfinite(grad).all()


def gradient(cost, target=None):
    """Return the gradient of the transport for two Gaussian networks."""
    student = logits((64, 100)).requires_grad_()
    teacher = logits((64, 100), seed=1)
    target = hard((64, 100)) if target is None else target
    settings = {'temperature': 8.0, 'gamma': 1.0, 'cost': cost, **SINKHORN}
    _, work = wkd_terms(student, teacher, target, **settings)
    (grad,) = torch.autograd.grad(work.sum(), student)
    return grad.flatten()


def test_a_constant_has_the_gradient_of_the_released_kind_of_cost():
    cost = golden('038/wkd_l', 'cost')
    mean = cost.sum().item() / (100 * 99)
    assert mean == pytest.approx(0.401, abs=5e-4)  # that of the config
    expected = gradient(cost)
    cosine = F.cosine_similarity(gradient(0.401), expected, dim=0)
    assert cosine == pytest.approx(0.966, abs=1e-3)
    other = F.cosine_similarity(gradient(1.0), expected, dim=0)
    assert other == pytest.approx(0.548, abs=1e-3)


S = torch.zeros(4, 3)
Y = torch.tensor([0, 1, 2, 0])
nan = math.nan


@pytest.mark.parametrize(
    ('cost', 'error', 'message'),
    [
        (torch.zeros(4, 4), ValueError, r'\(3, 3\).*got \(4, 4\)'),
        (torch.zeros(3), ValueError, r'\(3, 3\).*got \(3,\)'),
        (torch.zeros(3, 3) - 1, ValueError, 'at least 0.*from -1.0 to -1.0'),
        (torch.full((3, 3), nan), ValueError, 'finite.*nan'),
        (torch.full((3, 3), 5.0), ValueError, '80 times.*5.0 at 0.05'),
        (torch.zeros(3, 3).long(), TypeError, 'got torch.int64'),
        (5.0, ValueError, 'at most 80 times `regularization`.*got 5.0'),
        ('fc', TypeError, "a number or a .C, C. tensor, but got 'fc'"),
        (-0.5, ValueError, 'cost` to be.*at least 0.*got -0.5'),
    ],
)
def test_a_wrong_cost_is_refused(cost, error, message):
    with pytest.raises(error, match=message):
        wkd_loss(S, S, Y, temperature=1.0, gamma=1.0, cost=cost)


@pytest.mark.parametrize('iterations', [0, -1, 2.0, True, None])
def test_a_wrong_number_of_iterations_is_refused(iterations):
    with pytest.raises(ValueError, match=f'iterations.*got {iterations}'):
        wkd_loss(
            S,
            S,
            Y,
            temperature=1.0,
            gamma=1.0,
            cost=1.0,
            iterations=iterations,
        )


@pytest.mark.parametrize(
    ('weight', 'error', 'message'),
    [
        (torch.zeros(3), ValueError, r'\(C, D\).*got \(3,\)'),
        (torch.zeros(3, 2).long(), TypeError, 'floating.*torch.int64'),
        ([[1.0]], TypeError, 'floating tensor, but got list'),
    ],
)
def test_weights_of_no_classifier_are_refused(weight, error, message):
    with pytest.raises(error, match=message):
        classifier_cost(weight)


def test_a_negative_sharpening_is_refused():
    with pytest.raises(ValueError, match='sharpen` to be.*got -1'):
        classifier_cost(S, sharpen=-1)
