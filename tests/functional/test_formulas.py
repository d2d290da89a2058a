"""The losses against the golden values, the formula in loops, and theory."""

import pytest
import reference
import torch
import torch.nn.functional as F
from draws import SHAPES, TARGETS, WITH_TEACHER, hard, logits
from golden import CASES, GOLDEN, golden, settings_of
from torch.autograd import gradcheck

from mmnkd.functional import (
    dist_loss,
    dkd_loss,
    dkd_terms,
    kd_loss,
    nkd_loss,
    nkd_terms,
    standardize,
    tf_nkd_loss,
    uskd_loss,
    uskd_terms,
    wsld_loss,
)

pytestmark = pytest.mark.usefixtures('each_form')


def golden_loss(case, student):
    """Compute the loss of one of the golden cases."""
    settings = settings_of(case)
    name = case.split('/')[1]
    if name == 'kd':
        # The released form is a cross-entropy: KL plus the teacher's entropy.
        temperature = settings['temperature']
        log_t = F.log_softmax(golden(case, 'logits_teacher') / temperature, 1)
        entropy = -(log_t.exp() * log_t).sum(dim=1).mean()
        loss = kd_loss(
            student, golden(case, 'logits_teacher'), temperature=temperature
        )
        return settings['alpha'] * (loss + temperature**2 * entropy)
    target = golden(case, 'score' if 'soft_label' in name else 'label')
    if name.startswith('tf_nkd'):
        return tf_nkd_loss(student, target)
    if name.startswith('uskd'):
        weak = F.linear(
            golden(case, 'feat_mid'),
            golden(case, 'fc_weight'),
            golden(case, 'fc_bias'),
        )
        return uskd_loss(student, weak, target, **settings)
    teacher = golden(case, 'logits_teacher')
    if name == 'wsld':
        weight = settings.pop('alpha')
        return weight * wsld_loss(student, teacher, target, **settings)
    loss = dkd_loss if name == 'dkd' else nkd_loss
    return loss(student, teacher, target, **settings)


@pytest.mark.parametrize(
    'case', [c for c in CASES if f'{c}/logits_student' in GOLDEN.files]
)
def test_losses_reproduce_the_golden_values_and_gradients(case):
    student = golden(case, 'logits_student').requires_grad_()
    loss = golden_loss(case, student)
    loss.backward()
    expected = golden(case, 'grad_student')
    torch.testing.assert_close(loss, golden(case, 'loss'), rtol=1e-9, atol=0)
    error = (student.grad - expected).norm() / expected.norm()
    assert error <= 1e-9


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('name', WITH_TEACHER)
@TARGETS
def test_losses_are_the_formulas_in_loops(name, shape, make_target):
    loss, oracle, takes_target, settings = WITH_TEACHER[name]
    inputs = [logits(shape), logits(shape, seed=1)]
    if takes_target:
        inputs.append(make_target(shape))
    actual = loss(*inputs, **settings, reduction='none')
    expected = oracle(*[x.tolist() for x in inputs], **settings)
    assert actual.tolist() == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize('shape', SHAPES)
@TARGETS
def test_tf_nkd_is_the_formula_in_loops(shape, make_target):
    student, target = logits(shape), make_target(shape)
    loss = tf_nkd_loss(student, target, reduction='none')
    expected = reference.tf_nkd(student.tolist(), target.tolist())
    assert loss.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('shape', SHAPES)
@TARGETS
def test_uskd_is_the_formula_in_loops(shape, make_target):
    inputs = [logits(shape), logits(shape, seed=1), make_target(shape)]
    settings = {'alpha': 0.5, 'beta': 0.3, 'mu': 0.2}
    loss = uskd_loss(*inputs, **settings, reduction='none')
    expected = reference.uskd(*[x.tolist() for x in inputs], **settings)
    assert loss.tolist() == pytest.approx(expected, rel=1e-11)


def test_standardize_is_the_formula_in_loops():
    given = logits((5, 7))
    expected = reference.standardize(given.tolist())
    torch.testing.assert_close(
        standardize(given), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize('shape', [(5, 7), (1, 2)])
@pytest.mark.parametrize('name', ['nkd', 'kd', 'dkd', 'dist'])
@TARGETS
def test_losses_pass_gradcheck(name, shape, make_target):
    loss, _, takes_target, settings = WITH_TEACHER[name]
    rest = [logits(shape, seed=1)]
    if takes_target:
        rest.append(make_target(shape))
    student = logits(shape, scale=1.0).requires_grad_()
    assert gradcheck(lambda s: loss(s, *rest, **settings), student)


@TARGETS
def test_wsld_has_the_gradient_of_a_constant_weight(make_target):
    student, teacher = logits((5, 7)).requires_grad_(), logits((5, 7), seed=1)
    target = make_target((5, 7))
    loss = wsld_loss(student, teacher, target, reduction='none')
    (actual,) = torch.autograd.grad(loss.sum(), student)
    log_s = F.log_softmax(student / 2, dim=1)
    soft = 4 * -(F.softmax(teacher / 2, dim=1) * log_s).sum(dim=1)
    weight = (loss / soft).detach()
    (expected,) = torch.autograd.grad((weight * soft).sum(), student)
    torch.testing.assert_close(actual, expected)


def test_standardize_passes_gradcheck():
    assert gradcheck(standardize, logits((5, 7)).requires_grad_())


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


@pytest.mark.parametrize('temperature', [0.25, 1.0, 4.0])
def test_nkd_of_opposite_extremes_is_exact(temperature):
    student = torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float16)
    teacher = -student
    target = torch.tensor([1])
    # T_t = 1 and log S_t = -2e4; among the others the teacher has class 2.
    expected = 2e4 + 1.5 * temperature**2 * 1e4 / temperature
    loss = nkd_loss(student, teacher, target, temperature=temperature)
    assert loss.item() == pytest.approx(expected)


def test_the_target_term_of_a_certain_teacher_is_cross_entropy():
    student, target = logits((5, 7)), hard((5, 7))
    certain = 1e4 * F.one_hot(target, 7).double()
    loss = nkd_loss(student, certain, target, gamma=0)
    torch.testing.assert_close(loss, F.cross_entropy(student, target))


def test_the_nontarget_gradient_is_that_of_a_kl_divergence():
    student = logits((5, 7)).requires_grad_()
    teacher, target = logits((5, 7), seed=1), hard((5, 7))
    terms = nkd_terms(student, teacher, target, gamma=1.0, temperature=2.0)
    (actual,) = torch.autograd.grad(terms[1].sum(), student)
    others = torch.stack(
        [torch.tensor([i for i in range(7) if i != t]) for t in target]
    )
    divergence = 4 * F.kl_div(
        F.log_softmax(student.gather(1, others) / 2, dim=1),
        F.softmax(teacher.gather(1, others) / 2, dim=1),
        reduction='sum',
    )
    (expected,) = torch.autograd.grad(divergence, student)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize('name', WITH_TEACHER)
def test_no_gradient_reaches_the_teacher(name):
    loss, _, takes_target, settings = WITH_TEACHER[name]
    student = logits((5, 7)).requires_grad_()
    teacher = logits((5, 7), seed=1).requires_grad_()
    rest = [hard((5, 7))] if takes_target else []
    loss(student, teacher, *rest, **settings).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_kd_of_a_teacher_with_itself_is_zero_with_zero_gradient():
    student = logits((5, 7)).requires_grad_()
    loss = kd_loss(student, student.detach().clone(), temperature=3)
    loss.backward()
    assert loss == 0
    torch.testing.assert_close(student.grad, torch.zeros(5, 7).double())


def test_kd_is_the_divergence_of_torch():
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    expected = 9 * F.kl_div(
        F.log_softmax(student / 3, dim=1),
        F.softmax(teacher / 3, dim=1),
        reduction='batchmean',
    )
    torch.testing.assert_close(
        kd_loss(student, teacher, temperature=3), expected
    )


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_dkd_whose_terms_weigh_1_and_1_minus_t_is_kd(temperature):
    student, teacher, target = logits((5, 7)), logits((5, 7), 1), hard((5, 7))
    target_term, nontarget_term = dkd_terms(
        student, teacher, target, temperature=temperature, alpha=1, beta=1
    )
    t = F.softmax(teacher / temperature, dim=1)
    t = t.gather(1, target.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(
        target_term + (1 - t) * nontarget_term,
        kd_loss(student, teacher, temperature=temperature, reduction='none'),
    )


def test_wsld_counts_a_sample_less_the_more_the_student_is_ahead():
    teacher = logits((5, 7), seed=1)
    target = hard((5, 7))
    ahead = 1e4 * F.one_hot(target, 7).double()
    assert wsld_loss(ahead, teacher, target) == 0
    behind = wsld_loss(-ahead, teacher, target)
    soft = -F.softmax(teacher / 2, 1) * F.log_softmax(-ahead / 2, 1)
    torch.testing.assert_close(behind, 4 * soft.sum(dim=1).mean())


def test_dist_compares_up_to_an_affine_map():
    # Of the probabilities, that is: mixed with those of a uniform guess.
    student, teacher = logits((5, 7)), logits((5, 7), seed=1)
    mixed_with_uniform = (0.3 * F.softmax(student, dim=1) + 0.1).log()
    torch.testing.assert_close(
        dist_loss(mixed_with_uniform, teacher),
        dist_loss(student, teacher),
        rtol=1e-6,
        atol=0,
    )
    assert dist_loss(student, student) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('name', WITH_TEACHER)
def test_standardized_losses_ignore_an_affine_map_of_the_logits(name):
    loss, _, takes_target, settings = WITH_TEACHER[name]
    student, teacher = logits((5, 7)), standardize(logits((5, 7), seed=1))
    rest = [hard((5, 7))] if takes_target else []
    torch.testing.assert_close(
        loss(standardize(3 * student + 2), teacher, *rest, **settings),
        loss(standardize(student), teacher, *rest, **settings),
    )


@pytest.mark.parametrize('classes', [2, 7, 1000, 21841])
def test_equal_logits_are_standardized_to_zero_without_a_gradient(classes):
    values = torch.linspace(-50, 50, 37).unsqueeze(1)
    student = values.repeat(1, classes).requires_grad_()
    result = standardize(student)
    (result * torch.randn(37, classes)).sum().backward()
    assert not result.any()
    assert not student.grad.any()


def test_what_is_not_a_number_stays_so():
    student = logits((5, 7)).index_fill(1, torch.tensor([2]), torch.nan)
    assert dist_loss(student, logits((5, 7), seed=1)).isnan()
    assert standardize(student).isnan().all()


def test_rounding_is_no_spread():
    noise = 5 + 3e-7 * torch.randn(4, 100)
    assert not standardize(noise).any()


def test_a_uniform_student_gets_no_exploding_gradient_of_dist():
    teacher = logits((8, 10)).float()
    for value in (0.0, 0.1, -7.3):
        student = torch.full((8, 10), value, requires_grad=True)
        loss = dist_loss(student, teacher)
        loss.backward()
        assert loss == 2
        assert not student.grad.any()


def test_the_weak_head_learns_from_its_own_term_only():
    student, target = logits((5, 7)), hard((5, 7))
    weak = logits((5, 7), seed=1).requires_grad_()
    uskd_loss(student, weak, target, mu=0.3).backward()
    smoothed = F.cross_entropy(weak, target, label_smoothing=0.1)
    (expected,) = torch.autograd.grad(0.3 * smoothed, weak)
    torch.testing.assert_close(weak.grad, expected)


def test_nontarget_labels_of_uskd_follow_zipf_by_rank():
    # The student's non-target order is 1, 2, 3: labels 1/2, 1/3, 1/4.
    student = torch.tensor([[9.0, 3.0, 2.0, 1.0]]).double()
    _, term, _ = uskd_terms(student, student, torch.tensor([0]), beta=1)
    z = torch.tensor([1 / 2, 1 / 3, 1 / 4]).double()
    expected = -(z / z.sum() * F.log_softmax(student[0, 1:], dim=0)).sum()
    torch.testing.assert_close(term[0], expected)


def test_two_classes_leave_the_target_term_only():
    student, teacher, target = logits((5, 2)), logits((5, 2), 1), hard((5, 2))
    _, nontarget_term = nkd_terms(student, teacher, target)
    assert torch.equal(nontarget_term, torch.zeros(5, dtype=torch.float64))


def test_second_labels_are_averaged_over_those_who_have_one():
    student = logits((3, 4))
    scores = torch.tensor([[1.0, 0, 0, 0], [0.7, 0.3, 0, 0], [0, 0, 0.4, 0.6]])
    loss = tf_nkd_loss(student, scores, reduction='none')
    probs = F.softmax(student, dim=1)
    first_mean = (probs[0, 0] + probs[1, 0] + probs[2, 3]) / 3
    # Sample 0 has no second label: not in its mean, no term of its own.
    expected = -(probs[0, 0] + 1 - first_mean) * probs[0, 0].log()
    torch.testing.assert_close(loss[0], expected)
