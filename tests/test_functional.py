"""The losses against the formula, the golden values and bad input."""

import math
import subprocess
import sys

import pytest
import reference
import torch
import torch.nn.functional as F
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

SHAPES = [(5, 7), (1, 2), (3, 2), (1, 11), (4, 1000)]


def logits(shape, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(shape, generator=generator, dtype=torch.float64)
    return scale * draw


def hard(shape, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(shape[1], shape[:1], generator=generator)


def mixed(shape, seed=7):
    """Scores with two classes a sample; the first sample has one only."""
    n, c = shape
    scores = torch.zeros(shape, dtype=torch.float64)
    first = hard(shape, seed)
    share = torch.linspace(0.6, 0.9, n, dtype=torch.float64)
    scores[torch.arange(n), first] = share
    scores[torch.arange(n), (first + 1) % c] = 1 - share
    scores[0] = F.one_hot(first[0], c)
    return scores


TARGETS = pytest.mark.parametrize('make_target', [hard, mixed])


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


WITH_TEACHER = {  # the loss, its oracle, whether both take a target, settings
    'nkd': (nkd_loss, reference.nkd, True, {'temperature': 3, 'gamma': 3.5}),
    'nkd at 1': (
        nkd_loss,
        reference.nkd,
        True,
        {'temperature': 1, 'gamma': 1},
    ),
    'kd': (kd_loss, reference.kd, False, {'temperature': 4}),
    'dkd': (
        dkd_loss,
        reference.dkd,
        True,
        {'temperature': 4, 'alpha': 0.5, 'beta': 8},
    ),
    'wsld': (wsld_loss, reference.wsld, True, {'temperature': 2}),
    'dist': (
        dist_loss,
        reference.dist,
        False,
        {'temperature': 2, 'beta': 2, 'gamma': 3},
    ),
}


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


def call_nkd(student, target, **kwargs):
    return nkd_loss(student, -student.detach(), target, **kwargs)


def call_tf_nkd(student, target, **kwargs):
    return tf_nkd_loss(student, target, **kwargs)


def call_kd(student, target, **kwargs):
    return kd_loss(student, -student.detach(), **kwargs)


def call_dkd(student, target, **kwargs):
    return dkd_loss(student, -student.detach(), target, **kwargs)


def call_wsld(student, target, **kwargs):
    return wsld_loss(student, -student.detach(), target, **kwargs)


def call_dist(student, target, **kwargs):
    return dist_loss(student, -student.detach(), **kwargs)


def call_uskd(student, target, **kwargs):
    return uskd_loss(student, -student.detach(), target, **kwargs)


def call_standardized(student, target, **kwargs):
    teacher = standardize(-student.detach())
    return kd_loss(standardize(student), teacher, **kwargs)


LOSSES = pytest.mark.parametrize(
    'loss',
    [
        call_nkd,
        call_tf_nkd,
        call_kd,
        call_dkd,
        call_wsld,
        call_dist,
        call_uskd,
        call_standardized,
    ],
)


@LOSSES
@TARGETS
@pytest.mark.parametrize('shape', [(1, 2), (6, 2), (1, 9), (6, 9)])
@pytest.mark.parametrize(
    'dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_losses_are_finite_for_extreme_logits(loss, make_target, shape, dtype):
    values = torch.tensor([1e4, -1e4, 0.0, 9999.0])
    student = values.repeat(shape[0] * shape[1])[: shape[0] * shape[1]]
    student = student.reshape(shape).to(dtype).requires_grad_()
    result = loss(student, make_target(shape))
    result.backward()
    assert torch.isfinite(result)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize('temperature', [0.25, 1.0, 4.0])
def test_nkd_of_opposite_extremes_is_exact(temperature):
    student = torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float16)
    teacher = -student
    target = torch.tensor([1])
    # T_t = 1 and log S_t = -2e4; among the others the teacher has class 2.
    expected = 2e4 + 1.5 * temperature**2 * 1e4 / temperature
    loss = nkd_loss(student, teacher, target, temperature=temperature)
    assert loss.item() == pytest.approx(expected)


@LOSSES
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_logits_are_computed_in_float32(loss, dtype):
    student = logits((16, 100)).to(dtype)
    target = hard((16, 100))
    result = loss(student, target)
    assert result.dtype == torch.float32
    exact = loss(student.double(), target)
    assert result.item() == pytest.approx(exact.item(), rel=1e-5)


@LOSSES
def test_autocast_does_not_lower_the_precision(loss):
    student, target = logits((16, 100)).float(), hard((16, 100))
    expected = loss(student, target)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = loss(student, target)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


@LOSSES
@TARGETS
def test_losses_ignore_a_constant_added_to_all_logits(loss, make_target):
    student, target = logits((5, 7)), make_target((5, 7))
    torch.testing.assert_close(
        loss(student + 50, target), loss(student, target)
    )


@LOSSES
@TARGETS
def test_losses_do_not_depend_on_the_order_of_classes(loss, make_target):
    student, target = logits((5, 7)), make_target((5, 7))
    order = torch.randperm(7)
    if target.ndim == 2:
        permuted = target[:, order]
    else:
        permuted = order.argsort()[target]
    torch.testing.assert_close(
        loss(student[:, order], permuted), loss(student, target)
    )


@LOSSES
def test_one_hot_scores_equal_class_indices(loss):
    student, target = logits((5, 7)), hard((5, 7))
    scores = F.one_hot(target, 7).double()
    torch.testing.assert_close(loss(student, scores), loss(student, target))


@LOSSES
@pytest.mark.parametrize(
    ('reduction', 'reduce'),
    [('mean', torch.mean), ('sum', torch.sum), ('none', torch.clone)],
)
def test_reduction_is_over_the_batch(loss, reduction, reduce):
    student, target = logits((5, 7)), hard((5, 7))
    per_sample = loss(student, target, reduction='none')
    assert per_sample.shape == (5,)
    result = loss(student, target, reduction=reduction)
    torch.testing.assert_close(result, reduce(per_sample))


@LOSSES
def test_integer_dtypes_of_labels_are_all_accepted(loss):
    student, target = logits((5, 7)), hard((5, 7))
    for dtype in (torch.uint8, torch.int32):
        assert torch.equal(
            loss(student, target.to(dtype)), loss(student, target)
        )


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


@LOSSES
@TARGETS
def test_torch_compile_takes_the_whole_graph(loss, make_target):
    student, target = logits((5, 7)), make_target((5, 7))
    compiled = torch.compile(loss, fullgraph=True, backend='aot_eager')
    gradients = []
    for function in (loss, compiled):
        leaf = student.clone().requires_grad_()
        function(leaf, target).backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(
        compiled(student, target), loss(student, target)
    )


@LOSSES
@TARGETS
def test_losses_run_where_values_can_not_be_read(loss, make_target):
    # A meta tensor has no values: .item(), boolean indexing and their like,
    # each of which would make a GPU wait, fail on it.
    student = logits((5, 7)).to('meta').requires_grad_()
    result = loss(student, make_target((5, 7)).to('meta'))
    result.backward()
    assert student.grad.shape == (5, 7)


S = torch.zeros(4, 3)
Y = torch.tensor([0, 1, 2, 0])
nan = float('nan')


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ((S, torch.zeros(4, 5), Y), ValueError, r'got \(4, 3\) and \(4, 5\)'),
        ((S[0], S[0], Y[:1]), ValueError, r'shape \(N, C\).*got \(3,\)'),
        ((S[:0], S[:0], Y[:0]), ValueError, r'at least one.*got \(0, 3\)'),
        ((S[:, :1], S[:, :1], Y), ValueError, r'two classes.*got \(4, 1\)'),
        ((S.long(), S, Y), TypeError, 'floating dtype, but got torch.int64'),
        ((S, S.tolist(), Y), TypeError, 'logits_teacher.*but got list'),
        ((S, S, [0, 1, 2, 0]), TypeError, 'target.*tensor, but got list'),
        ((S, S, Y[:3]), ValueError, r'target.*\(4,\).*\(4, 3\).*got \(3,\)'),
        ((S, S, S[:, :2]), ValueError, r'target.*got \(4, 2\)'),
        ((S, S, S.unsqueeze(0)), ValueError, r'target.*got \(1, 4, 3\)'),
        ((S, S, Y.float()), TypeError, r'\(4,\) of torch.float32'),
        ((S, S, S.long()), TypeError, r'\(4, 3\) of torch.int64'),
        ((S, S, Y.bool()), TypeError, 'of torch.bool'),
        ((S, S, Y + 1), ValueError, r'\[0, 2\].*values from 1 to 3'),
        ((S, S, Y - 1), ValueError, r'\[0, 2\].*values from -1 to 1'),
        ((S, S, S - 0.1), ValueError, 'scores >= 0.*from -0.1'),
        ((S, S, S + nan), ValueError, 'finite scores.*nan'),
        ((S, S, S), ValueError, 'sum to 1.*sums from 0.0 to 0.0'),
        ((S, S, S + 1), ValueError, 'several whole ones'),
    ],
)
def test_bad_tensors_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        nkd_loss(*arguments)


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ({'temperature': 0}, 'temperature` to be positive.*got 0'),
        ({'temperature': -1.0}, 'temperature` to be positive.*got -1'),
        ({'temperature': nan}, 'temperature` to be positive.*got nan'),
        ({'temperature': math.inf}, 'temperature.*finite.*got inf'),
        ({'gamma': -0.5}, 'gamma` to be.*at least 0.*got -0.5'),
        ({'gamma': nan}, 'gamma` to be.*got nan'),
        ({'gamma': math.inf}, 'gamma.*got inf'),
        ({'reduction': 'max'}, "'none', 'mean' or 'sum', but got 'max'"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        nkd_loss(S, S, Y, **setting)


@pytest.mark.parametrize('name', ['temperature', 'gamma'])
def test_settings_that_are_no_numbers_are_refused(name):
    with pytest.raises(TypeError, match=f"{name}` to be a number.*'1'"):
        nkd_loss(S, S, Y, **{name: '1'})


@pytest.mark.parametrize('loss', [kd_loss, dist_loss])
def test_losses_without_labels_refuse_bad_input_too(loss):
    with pytest.raises(ValueError, match=r'got \(4, 3\) and \(4, 5\)'):
        loss(S, torch.zeros(4, 5))
    with pytest.raises(ValueError, match='temperature` to be positive'):
        loss(S, S, temperature=0)
    with pytest.raises(ValueError, match="but got 'max'"):
        loss(S, S, reduction='max')


@pytest.mark.parametrize('loss', [dkd_loss, wsld_loss, uskd_loss])
def test_losses_with_labels_refuse_bad_input_too(loss):
    with pytest.raises(ValueError, match=r'got \(4, 3\) and \(4, 5\)'):
        loss(S, torch.zeros(4, 5), Y)
    with pytest.raises(ValueError, match=r'\[0, 2\].*values from 1 to 3'):
        loss(S, S, Y + 1)
    with pytest.raises(ValueError, match="but got 'max'"):
        loss(S, S, Y, reduction='max')


@pytest.mark.parametrize(
    ('loss', 'names'),
    [
        (dkd_loss, ('alpha', 'beta')),
        (uskd_loss, ('alpha', 'beta', 'mu')),
        (lambda s, t, _, **x: dist_loss(s, t, **x), ('beta', 'gamma')),
    ],
)
def test_negative_weights_of_terms_are_refused(loss, names):
    for name in names:
        with pytest.raises(ValueError, match=f'{name}` to be.*got -1'):
            loss(S, S, Y, **{name: -1})


def test_standardize_refuses_what_is_no_logits():
    with pytest.raises(ValueError, match=r'`logits` of shape \(N, C\)'):
        standardize(S[0])


def test_tf_nkd_refuses_bad_input_too():
    with pytest.raises(ValueError, match=r'\[0, 2\]'):
        tf_nkd_loss(S, Y + 1)
    with pytest.raises(ValueError, match='at least one sample'):
        tf_nkd_loss(S[:0], Y[:0])
    with pytest.raises(ValueError, match="but got 'max'"):
        tf_nkd_loss(S, Y, reduction='max')


def test_functional_imports_torch_and_nothing_of_openmmlab():
    code = (
        'import sys; from mmnkd.functional import nkd_loss; '
        'found = {name.split(".")[0] for name in sys.modules}; '
        'assert "torch" in found; '
        'assert not found & {"mmengine", "mmcv", "mmpretrain"}, found'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
