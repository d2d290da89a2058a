"""The fast form of the losses: as the plain one, everywhere, or not used."""

import weakref

import pytest
import torch
import torch.autograd.forward_ad as fwad
from draws import TARGETS, hard, logits, mixed
from mmnkd.cli._benchmark_old.measure import peak_memory
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.flop_counter import FlopCounterMode

from mmnkd.functional import (
    dkd_loss,
    dkd_terms,
    kd_loss,
    nkd_loss,
    nkd_terms,
    plain_forms,
    tf_nkd_loss,
)
from mmnkd.functional.fused import LogProbs, Terms, cpu

# Several blocks, of 31, 16 and 3 rows on one thread.
SEVERAL_BLOCKS = (50, 1000)
SHAPES = [(5, 7), (1, 3), (4, 2), SEVERAL_BLOCKS]


def call_kd(student, teacher, target, **kwargs):
    return kd_loss(student, teacher, **kwargs)


def call_tf_nkd(student, teacher, target, **kwargs):
    return tf_nkd_loss(student, target, **kwargs)


CASES = {
    'nkd': (nkd_loss, {'gamma': 2.5}),
    'nkd at 4': (nkd_loss, {'temperature': 4.0}),
    'kd': (call_kd, {}),
    'kd at 4': (call_kd, {'temperature': 4.0}),
    'dkd at 1': (dkd_loss, {'temperature': 1.0, 'alpha': 0.5}),
    'dkd': (dkd_loss, {'alpha': 2.0}),
    'tf_nkd': (call_tf_nkd, {}),
}
ALL = pytest.mark.parametrize('case', CASES)
TERMS = {
    'nkd': lambda s, t, y: nkd_terms(s, t, y),
    'nkd at 4': lambda s, t, y: nkd_terms(s, t, y, temperature=4.0),
    'dkd': lambda s, t, y: dkd_terms(s, t, y, alpha=0.5),
}


@pytest.fixture
def fused_calls(monkeypatch):
    """Count how often the fast form is taken."""
    calls = []
    for function in (Terms, LogProbs):
        original = function.apply

        def counted(*args, original=original):
            calls.append(args)
            return original(*args)

        monkeypatch.setattr(function, 'apply', counted)
    return calls


def loss_of(case):
    """Return a function of student, teacher and target."""
    function, settings = CASES[case]
    return lambda *args, **kwargs: function(*args, **settings, **kwargs)


def value_and_gradient(loss, student, *rest, **kwargs):
    leaf = student.detach().clone().requires_grad_()
    result = loss(leaf, *rest, **kwargs)
    weights = torch.linspace(0.5, 2, result.numel()).reshape(result.shape)
    (result * weights.to(result.dtype)).sum().backward()
    return result.detach(), leaf.grad


def assert_like_plain(case, student, teacher, target, **tolerance):
    loss = loss_of(case)
    for reduction in ('none', 'mean', 'sum'):
        args = (student, teacher, target)
        fused = value_and_gradient(loss, *args, reduction=reduction)
        with plain_forms():
            plain = value_and_gradient(loss, *args, reduction=reduction)
        for a, b in zip(fused, plain):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b, **tolerance)


@ALL
@TARGETS
@pytest.mark.parametrize('shape', SHAPES)
def test_both_forms_agree(case, make_target, shape, fused_calls):
    student, teacher = logits(shape), logits(shape, seed=1)
    target = make_target(shape)
    assert_like_plain(case, student, teacher, target, rtol=1e-9, atol=1e-11)
    assert len(fused_calls) == 3


@ALL
@pytest.mark.parametrize(
    ('dtype', 'teacher_dtype'),
    [
        (torch.float32, torch.float32),
        (torch.float32, torch.bfloat16),
        (torch.float32, torch.float64),
        (torch.bfloat16, torch.float32),
        (torch.bfloat16, torch.bfloat16),
        (torch.float16, torch.float16),
    ],
)
def test_lower_precision_errs_like_the_plain_form(case, dtype, teacher_dtype):
    student = logits(SEVERAL_BLOCKS).to(dtype)
    teacher = logits(SEVERAL_BLOCKS, seed=1).to(teacher_dtype)
    rest = teacher, hard(SEVERAL_BLOCKS)
    loss = loss_of(case)
    for reduction in ('none', 'mean'):
        args = {'reduction': reduction}
        fused = value_and_gradient(loss, student, *rest, **args)
        with plain_forms():
            plain = value_and_gradient(loss, student, *rest, **args)
            exact = value_and_gradient(
                loss, student.double(), rest[0].double(), rest[1], **args
            )
        for ours, theirs, truth in zip(fused, plain, exact):
            assert ours.dtype == theirs.dtype
            if truth.dim() == 0:  # in one number, errors cancel by chance
                continue
            lost = (ours - truth).norm()
            rounding = torch.finfo(torch.float32).eps * truth.norm()
            assert lost <= 2 * (theirs - truth).norm() + rounding


@ALL
@pytest.mark.parametrize('gap', [30.0, 60.0, 100.0, 2000.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_both_forms_agree_where_a_target_is_far_above(case, gap, dtype):
    # From 60 in float32, and 700 in float64, what is left underflows.
    shape = (6, 9)
    student, teacher = logits(shape), logits(shape, seed=1)
    target = hard(shape)
    rows = torch.arange(6)
    student[rows[:2], target[:2]] += gap
    teacher[rows[1:3], target[1:3]] += gap
    student[rows[3], target[3]] -= gap
    teacher[rows[4], target[4]] -= gap
    tolerance = {'rtol': 1e-5, 'atol': 1e-5 if gap < 1000 else 1e-3}
    if dtype == torch.float64:
        tolerance = {'rtol': 1e-9, 'atol': 1e-9}
    args = student.to(dtype), teacher.to(dtype), target
    assert_like_plain(case, *args, **tolerance)


WITH_TEACHER = pytest.mark.parametrize(
    'case', [case for case in CASES if case != 'tf_nkd']
)


@WITH_TEACHER  # the weight of tf-NKD is a constant, which no number tells
@TARGETS
def test_the_gradient_passes_gradcheck(case, make_target, fused_calls):
    teacher, target = logits((5, 7), seed=1), make_target((5, 7))
    student = logits((5, 7)).requires_grad_()
    loss = loss_of(case)
    assert gradcheck(lambda s: loss(s, teacher, target), student)
    assert fused_calls


@WITH_TEACHER
@TARGETS
def test_double_backward_passes_gradgradcheck(case, make_target, fused_calls):
    teacher, target = logits((3, 5), seed=1), make_target((3, 5))
    student = logits((3, 5)).requires_grad_()
    loss = loss_of(case)
    assert gradgradcheck(
        lambda s: loss(s, teacher, target, reduction='none'), student
    )
    assert fused_calls


def test_double_backward_of_tf_nkd_is_that_of_the_plain_form():
    target = mixed((5, 7))

    def penalty(student):
        leaf = student.clone().requires_grad_()
        loss = tf_nkd_loss(leaf, target)
        (gradient,) = torch.autograd.grad(loss, leaf, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), leaf)
        return second

    fused = penalty(logits((5, 7)))
    with plain_forms():
        torch.testing.assert_close(fused, penalty(logits((5, 7))))


@pytest.mark.parametrize('name', TERMS)
@pytest.mark.parametrize('weights', [(1, 0), (0, 1), (2, -3), (0, 0)])
def test_terms_can_be_weighted_apart(name, weights):
    terms, shape = TERMS[name], SEVERAL_BLOCKS

    def loss(student):
        both = terms(student, logits(shape, seed=1), hard(shape))
        return sum(w * term for w, term in zip(weights, both))

    fused = value_and_gradient(loss, logits(shape))
    with plain_forms():
        plain = value_and_gradient(loss, logits(shape))
    for a, b in zip(fused, plain):
        torch.testing.assert_close(a, b)


def test_one_term_alone_has_its_gradient():
    args = logits((5, 7), seed=1), hard((5, 7))
    for number in (0, 1):
        gradients = []
        for form in (plain_forms, torch.enable_grad):
            leaf = logits((5, 7)).requires_grad_()
            with form():
                nkd_terms(leaf, *args)[number].sum().backward()
            gradients.append(leaf.grad)
        torch.testing.assert_close(*gradients)


@ALL
def test_a_retained_graph_gives_the_gradient_again(case):
    leaf = logits((5, 7)).requires_grad_()
    loss = loss_of(case)(leaf, logits((5, 7), seed=1), hard((5, 7)))
    (3 * loss).backward(retain_graph=True)
    first = leaf.grad.clone()
    leaf.grad = None
    (3 * loss).backward()
    assert torch.equal(leaf.grad, first)
    with pytest.raises(RuntimeError, match='second time'):
        loss.backward()


@ALL
def test_gradients_add_up_over_several_losses(case):
    loss = loss_of(case)
    args = logits((5, 7), seed=1), hard((5, 7))
    leaf = logits((5, 7)).requires_grad_()
    (loss(leaf, *args) + loss(leaf, *args)).backward()
    _, once = value_and_gradient(lambda s: loss(s, *args), logits((5, 7)))
    torch.testing.assert_close(leaf.grad, 4 * once)  # whose weight is 0.5


@ALL
def test_no_gradient_is_computed_where_none_is_wanted(case):
    args = logits(SEVERAL_BLOCKS), logits(SEVERAL_BLOCKS, seed=1)
    target = hard(SEVERAL_BLOCKS)
    loss = loss_of(case)(*args, target)
    assert not loss.requires_grad
    expected, _ = value_and_gradient(loss_of(case), *args, target)
    assert torch.equal(loss, expected)


@WITH_TEACHER
def test_the_graph_has_nothing_of_the_teacher(case):
    teacher = logits((5, 7), seed=1).requires_grad_()
    loss = loss_of(case)(logits((5, 7)), teacher, hard((5, 7)))
    assert not loss.requires_grad


def test_no_gradient_flows_to_the_teacher():
    teacher = logits((5, 7), seed=1).requires_grad_()
    leaf = logits((5, 7)).requires_grad_()
    nkd_loss(leaf, teacher, hard((5, 7))).backward()
    assert teacher.grad is None


@ALL
@pytest.mark.skipif(
    not hasattr(torch._C._functorch, 'is_legacy_batchedtensor'),
    reason='torch 2.1 does not tell that gradients are batched',
)
def test_gradients_may_be_batched(case):
    loss, teacher, target = loss_of(case), logits((5, 7), 1), hard((5, 7))
    student = logits((5, 7)).requires_grad_()
    losses = loss(student, teacher, target, reduction='none')
    (rows,) = torch.autograd.grad(
        losses, student, torch.eye(5).double(), is_grads_batched=True
    )
    losses = loss(student, teacher, target, reduction='none')
    (whole,) = torch.autograd.grad(losses.sum(), student)
    for number in range(5):
        torch.testing.assert_close(rows[number][number], whole[number])
    torch.testing.assert_close(rows.sum(dim=0), whole)


@pytest.mark.parametrize('gap', [5.0, 14.0, 20.0])
def test_the_binary_term_alone_is_right_for_a_sure_teacher(gap):
    student, teacher = logits((4, 9)).float(), logits((4, 9), 1).float()
    target = torch.arange(4)
    teacher[target, target] = teacher.amax(dim=1) + gap
    student[target, target] = student.amax(dim=1) + gap
    gradients = []
    for form in (plain_forms, torch.enable_grad):
        leaf = student.clone().requires_grad_()
        with form():
            term, _ = dkd_terms(leaf, teacher, target, temperature=1.0)
        term.sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize('gamma', [1.5, 0.01])
def test_terms_weighted_apart_in_bfloat16_do_not_cancel(gamma):
    student = logits((8, 100)).bfloat16()
    rest = logits((8, 100), 1), hard((8, 100))

    def nontarget(student):
        return nkd_terms(student, *rest, gamma=gamma)[1]

    _, gradient = value_and_gradient(nontarget, student)
    _, exact = value_and_gradient(nontarget, student.double())
    assert (gradient - exact).norm() < 0.01 * exact.norm()


@ALL
def test_one_row_far_above_changes_only_itself(case, monkeypatch):
    robust, rows = cpu.robust_block, []

    def counted(block, *args):
        rows.append(len(block.s))
        return robust(block, *args)

    monkeypatch.setattr(cpu, 'robust_block', counted)
    student, teacher = logits((50, 9)).float(), logits((50, 9), 1).float()
    target = hard((50, 9))
    student[7, target[7]] += 4000
    assert_like_plain(case, student, teacher, target, rtol=1e-4, atol=1e-4)
    has_target = not case.startswith(('kd', 'tf'))
    assert rows == [1] * 3 * has_target


@ALL
def test_confident_logits_are_no_reason_to_be_slow(case, monkeypatch):
    calls = []
    monkeypatch.setattr(cpu, 'robust_block', lambda *args: calls.append(args))
    student, teacher = logits((50, 1000)).float(), logits((50, 1000), 1)
    student = 10 / student.std() * student
    target, rows = hard((50, 1000)), torch.arange(25)
    student[rows, target[rows]] += 40
    value_and_gradient(loss_of(case), student, teacher.float(), target)
    assert not calls


def strided(shape, seed):
    return logits((shape[1], shape[0]), seed).t()


@ALL
def test_logits_may_have_any_strides(case):
    student, teacher = strided((5, 7), 0), strided((5, 7), 1)
    target = hard((5, 7))
    fused = value_and_gradient(loss_of(case), student, teacher, target)
    contiguous = student.contiguous(), teacher.contiguous(), target
    for a, b in zip(fused, value_and_gradient(loss_of(case), *contiguous)):
        torch.testing.assert_close(a, b)


@ALL
def test_torch_func_takes_the_plain_form(case, fused_calls):
    loss, teacher, target = loss_of(case), logits((5, 7), 1), hard((5, 7))
    gradient = torch.func.grad(lambda s: loss(s, teacher, target))
    result = gradient(logits((5, 7)))
    assert not fused_calls
    _, expected = value_and_gradient(loss, logits((5, 7)), teacher, target)
    torch.testing.assert_close(result, 2 * expected)  # whose weight is 0.5


@ALL
def test_forward_mode_takes_the_plain_form(case, fused_calls):
    loss, teacher, target = loss_of(case), logits((5, 7), 1), hard((5, 7))
    direction = logits((5, 7), 2)
    with fwad.dual_level():
        dual = fwad.make_dual(logits((5, 7)), direction)
        tangent = fwad.unpack_dual(loss(dual, teacher, target)).tangent
    assert not fused_calls
    _, gradient = value_and_gradient(loss, logits((5, 7)), teacher, target)
    torch.testing.assert_close(tangent, 2 * (gradient * direction).sum())


@ALL
def test_torch_compile_takes_the_plain_form(case, fused_calls):
    loss, teacher, target = loss_of(case), logits((5, 7), 1), hard((5, 7))
    compiled = torch.compile(loss, fullgraph=True, backend='aot_eager')
    result = compiled(logits((5, 7)), teacher, target)
    assert not fused_calls
    torch.testing.assert_close(result, loss(logits((5, 7)), teacher, target))


@ALL
def test_a_trace_takes_the_plain_form(case, fused_calls):
    loss, teacher, target = loss_of(case), logits((5, 7), 1), hard((5, 7))
    traced = torch.jit.trace(
        lambda s: loss(s, teacher, target),
        logits((5, 7)),
        check_trace=False,  # which calls it without a trace
    )
    assert not fused_calls
    other = logits((5, 7), 3)
    torch.testing.assert_close(traced(other), loss(other, teacher, target))


@ALL
def test_modes_that_see_each_operation_take_the_plain_form(case, fused_calls):
    loss, teacher, target = loss_of(case), logits((5, 7), 1), hard((5, 7))
    with FlopCounterMode(display=False):
        loss(logits((5, 7)), teacher, target)
    assert not fused_calls


class Subclass(torch.Tensor):
    """A tensor that isn't plain."""


@ALL
def test_subclasses_of_tensor_take_the_plain_form(case, fused_calls):
    student = logits((5, 7)).as_subclass(Subclass)
    loss_of(case)(student, logits((5, 7), 1), hard((5, 7)))
    assert not fused_calls


@ALL
def test_plain_forms_can_be_asked_for(case, fused_calls):
    args = logits((5, 7)), logits((5, 7), 1), hard((5, 7))
    with plain_forms():
        loss_of(case)(*args)
    assert not fused_calls
    loss_of(case)(*args)
    assert fused_calls


@ALL
def test_scratch_memory_is_a_fifth_of_the_logits(case):
    shape = (256, 1000)
    size = 4 * shape[0] * shape[1]  # bytes of one matrix in float32
    teacher, target = logits(shape, 1).float(), hard(shape)
    student = logits(shape).float().requires_grad_()
    loss = loss_of(case)

    def step():
        return torch.autograd.grad(loss(student, teacher, target), student)

    step()
    assert size <= peak_memory(step) < 1.2 * size


@WITH_TEACHER
def test_nothing_of_the_teacher_is_kept_for_the_backward(case):
    student = logits((5, 7)).requires_grad_()
    teacher = logits((5, 7), seed=1)
    alive = weakref.ref(teacher)
    loss = loss_of(case)(student, teacher, hard((5, 7)))
    del teacher
    assert alive() is None
    loss.backward()


@ALL
def test_many_threads_and_small_blocks_change_nothing(case, monkeypatch):
    monkeypatch.setattr(cpu, '_BLOCK', 16)
    monkeypatch.setattr(cpu, '_LEAST', 1)
    args = logits((17, 7)), logits((17, 7), 1), hard((17, 7))
    assert_like_plain(case, *args, rtol=1e-9, atol=1e-11)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 64)
    assert_like_plain(case, *args, rtol=1e-9, atol=1e-11)


def test_the_mean_over_a_batch_leaves_nothing_to_scale(monkeypatch):
    scales = []
    original = cpu.scale_

    def spied(gradient, *args, **kwargs):
        before = gradient.clone()
        result = original(gradient, *args, **kwargs)
        scales.append(torch.equal(before, result))
        return result

    monkeypatch.setattr(cpu, 'scale_', spied)
    for count in range(2, 9):
        leaf = logits((count, 5)).float().requires_grad_()
        nkd_loss(leaf, leaf.detach(), hard((count, 5))).backward()
    assert scales == [True] * 7
