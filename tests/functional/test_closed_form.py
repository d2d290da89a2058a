"""The closed form: as the plain one, or not used."""

import pytest
import torch
from draws import (
    CLOSED,
    TARGETS,
    WITH_TEACHER,
    Loss,
    each,
    gradient_of,
    hard,
    logits,
)
from torch.utils._python_dispatch import TorchDispatchMode

from mmnkd.functional import (
    dkd_loss,
    dkd_terms,
    nkd_loss,
    nkd_terms,
    uskd_terms,
)

# One row a block, a whole block and a part of one, and blocks of many rows.
SEVERAL_BLOCKS = [(3, 300000), (300, 1000), (100000, 3)]
TERMS = {
    'nkd': Loss(nkd_terms, None, (0, 1, 2), {}),
    'nkd at 4': Loss(nkd_terms, None, (0, 1, 2), {'temperature': 4.0}),
    'dkd': Loss(dkd_terms, None, (0, 1, 2), {'alpha': 0.5}),
}
CLOSED_TERMS = {name: terms.closed() for name, terms in TERMS.items()}


def is_closed(loss, *inputs, **kwargs):
    """Tell which form was taken: by the graph, the plain one's is longer."""
    return '_Term' in str(loss(*inputs, reduction='none', **kwargs).grad_fn)


@each(CLOSED)
@TARGETS
@pytest.mark.parametrize('shape', SEVERAL_BLOCKS)
def test_both_forms_agree_over_several_blocks(loss, make_target, shape):
    student = logits(shape).requires_grad_()
    rest = logits(shape, seed=1), make_target(shape)
    tolerance = {'rtol': 1e-9, 'atol': 1e-11}
    assert_agree(loss, student, *rest, **tolerance)


def assert_agree(loss, student, *rest, **tolerance):
    assert is_closed(loss, student, *rest)
    torch.testing.assert_close(
        loss(student, *rest), loss.plain()(student, *rest), **tolerance
    )
    torch.testing.assert_close(
        gradient_of(loss, student, *rest),
        gradient_of(loss.plain(), student, *rest),
        **tolerance,
    )


@each(CLOSED)
@pytest.mark.parametrize('teacher_dtype', [torch.bfloat16, torch.float64])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_both_forms_take_any_floating_dtypes(loss, dtype, teacher_dtype):
    student = logits((40, 100)).to(dtype).requires_grad_()
    teacher = logits((40, 100), seed=1).to(teacher_dtype)
    assert_agree(loss, student, teacher, hard((40, 100)))


@each(CLOSED)
@pytest.mark.parametrize('gap', [30.0, 60.0, 2000.0, -60.0, -2000.0])
def test_both_forms_agree_where_targets_are_far_from_the_others(loss, gap):
    student, teacher = logits((6, 9)), logits((6, 9), seed=1)
    target, rows = hard((6, 9)), torch.arange(6)
    student[rows[:4], target[:4]] += gap
    teacher[rows[2:], target[2:]] += gap
    student.requires_grad_()
    assert_agree(loss, student, teacher, target, rtol=1e-9, atol=1e-9)


def strided(shape, seed):
    return logits((shape[1], shape[0]), seed).t()


@each(CLOSED)
def test_logits_may_have_any_strides(loss):
    student, teacher = strided((5, 7), 0), strided((5, 7), 1)
    assert_agree(loss, student.requires_grad_(), teacher, hard((5, 7)))


@pytest.mark.parametrize('classes', [2, 10, 1000, 20000])
@pytest.mark.parametrize('std', [0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize('temperature', [1.0, 2.0, 8.0])
def test_float32_errs_like_the_plain_form(classes, std, temperature):
    shape = (max(8, 20000 // classes), classes)
    student = logits(shape, scale=std).float().requires_grad_()
    teacher, target = logits(shape, 1, scale=std).float(), hard(shape)
    for loss, weights in ((nkd_loss, {}), (dkd_loss, {'beta': 0.0})):
        settings = {'temperature': temperature, **weights}
        form = Loss(loss, None, (0, 1, 2), settings).closed()
        inputs = student, teacher, target
        exact = student.double(), teacher.double(), target
        for result in (with_values, gradient_of):
            ours, theirs = result(form, *inputs), result(form.plain(), *inputs)
            truth = result(form.plain(), *exact)
            rounding = torch.finfo(torch.float32).eps * truth.norm()
            error = (ours - truth).norm()
            assert error <= 4 * (theirs - truth).norm() + rounding


def with_values(loss, *inputs):
    return loss(*inputs, reduction='none').detach()


@each(CLOSED_TERMS)
@pytest.mark.parametrize('weights', [(1, 0), (0, 1), (2, -3), (0, 0)])
def test_terms_can_be_weighted_apart(loss, weights):
    rest = logits((30, 90), seed=1), hard((30, 90))

    def weighted(terms):
        return lambda s: sum(w * t for w, t in zip(weights, terms(s, *rest)))

    student = logits((30, 90))
    torch.testing.assert_close(
        gradient_of(weighted(loss), student),
        gradient_of(weighted(loss.plain()), student),
    )


@each(
    {
        **TERMS,
        **{f'{name}, closed': terms for name, terms in CLOSED_TERMS.items()},
        'uskd': Loss(uskd_terms, None, (0, 1, 2), {}),
    }
)
@pytest.mark.parametrize('backwards', [False, True])
def test_terms_can_be_differentiated_one_after_the_other(loss, backwards):
    student = logits((5, 7)).requires_grad_()
    rest = logits((5, 7), seed=1).requires_grad_(), hard((5, 7))
    terms = loss(student, *rest)
    for term in terms[::-1] if backwards else terms:
        term.sum().backward()
    both = gradient_of(lambda s: sum(loss(s, *rest)), student)
    torch.testing.assert_close(student.grad, both)


@each(CLOSED)
def test_a_retained_graph_gives_the_gradient_again(loss):
    leaf = logits((5, 7)).requires_grad_()
    result = loss(leaf, logits((5, 7), seed=1), hard((5, 7)))
    result.backward(retain_graph=True)
    first, leaf.grad = leaf.grad, None
    result.backward()
    assert torch.equal(leaf.grad, first)
    with pytest.raises(RuntimeError, match='second time'):
        result.backward()


class Calls(TorchDispatchMode):
    """Record what torch is called for."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@each(CLOSED)
def test_no_gradient_is_computed_where_none_is_wanted(loss):
    student = logits((5, 7)).requires_grad_()
    inputs = student, logits((5, 7), seed=1), hard((5, 7))
    assert is_closed(loss, *inputs)
    with torch.no_grad(), Calls() as calls:
        loss(*inputs)
    with torch.no_grad(), Calls() as wanted:
        loss.plain()(*inputs)
    assert calls.names == wanted.names


@each(CLOSED)
def test_a_teacher_that_wants_a_gradient_is_no_reason_to_compute_one(loss):
    teacher = logits((5, 7), seed=1).requires_grad_()
    assert not loss(logits((5, 7)), teacher, hard((5, 7))).requires_grad


def test_few_logits_take_the_plain_form_by_themselves():
    nkd = WITH_TEACHER['nkd']
    few, many = (
        (logits(shape).requires_grad_(), logits(shape, seed=1), hard(shape))
        for shape in ((5, 7), (300, 1000))
    )
    assert not is_closed(nkd, *few)
    assert is_closed(nkd, *many)
    assert not is_closed(nkd.plain(), *many)
