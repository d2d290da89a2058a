"""The losses against the formula, the golden values and bad input."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmnkd.functional import nkd_loss, nkd_terms, tf_nkd_loss

GOLDEN = np.load(Path(__file__).parent / 'golden.npz')
CASES = sorted({key.rsplit('/', 1)[0] for key in GOLDEN.files})
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


def golden(case, field):
    return torch.from_numpy(GOLDEN[f'{case}/{field}'])


@pytest.mark.parametrize('case', [c for c in CASES if 'nkd' in c])
def test_losses_reproduce_the_golden_values_and_gradients(case):
    student = golden(case, 'logits_student').requires_grad_()
    soft = case.endswith('soft_label')
    target = golden(case, 'score' if soft else 'label')
    if 'tf_nkd' in case:
        loss = tf_nkd_loss(student, target)
    else:
        loss = nkd_loss(
            student,
            golden(case, 'logits_teacher'),
            target,
            temperature=golden(case, 'param.temperature').item(),
            gamma=golden(case, 'param.gamma').item(),
        )
    loss.backward()
    expected = golden(case, 'grad_student')
    torch.testing.assert_close(loss, golden(case, 'loss'), rtol=1e-9, atol=0)
    error = (student.grad - expected).norm() / expected.norm()
    assert error <= 1e-9


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(('temperature', 'gamma'), [(1, 1.5), (3, 3.5)])
@TARGETS
def test_nkd_is_the_formula_in_loops(shape, temperature, gamma, make_target):
    student, teacher = logits(shape), logits(shape, seed=1)
    target = make_target(shape)
    loss = nkd_loss(
        student,
        teacher,
        target,
        temperature=temperature,
        gamma=gamma,
        reduction='none',
    )
    expected = reference.nkd(
        student.tolist(),
        teacher.tolist(),
        target.tolist(),
        temperature,
        gamma,
    )
    assert loss.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('shape', SHAPES)
@TARGETS
def test_tf_nkd_is_the_formula_in_loops(shape, make_target):
    student, target = logits(shape), make_target(shape)
    loss = tf_nkd_loss(student, target, reduction='none')
    expected = reference.tf_nkd(student.tolist(), target.tolist())
    assert loss.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('shape', [(5, 7), (1, 2)])
@TARGETS
def test_nkd_passes_gradcheck(shape, make_target):
    teacher, target = logits(shape, seed=1), make_target(shape)
    student = logits(shape).requires_grad_()
    assert gradcheck(
        lambda s: nkd_loss(s, teacher, target, temperature=2.0), student
    )


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
    return nkd_loss(student, student.detach().flip(0), target, **kwargs)


def call_tf_nkd(student, target, **kwargs):
    return tf_nkd_loss(student, target, **kwargs)


LOSSES = pytest.mark.parametrize('loss', [call_nkd, call_tf_nkd])


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


def test_no_gradient_reaches_the_teacher():
    student = logits((5, 7)).requires_grad_()
    teacher = logits((5, 7), seed=1).requires_grad_()
    nkd_loss(student, teacher, hard((5, 7))).backward()
    assert teacher.grad is None


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
