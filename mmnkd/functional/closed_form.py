"""Losses in closed form: value and gradient in one pass over the logits.

A loss has both forms in its own file. The plain one is the reference, and is
used for few logits, where no gradient is wanted, where it is differentiated in
turn, and under torch.compile, which fuses it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, Callable

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from .checks import check_inputs, is_compiling
from .tensors import target_index

# Elements of a block for each thread: with fewer the calls count, with more
# the block leaves the cache (`mmnkd benchmark losses`).
_BLOCK = 262144
_SMALL = 65536  # with fewer logits the plain form is as fast

_form: ContextVar[str] = ContextVar('form', default='faster')

Terms = tuple[Tensor, ...]


@contextlib.contextmanager
def _forms(name: str) -> Iterator[None]:
    """Take the 'plain' or, where it can be, the 'closed' form in a block."""
    token = _form.set(name)
    try:
        yield
    finally:
        _form.reset(token)


_plain_forms = partial(_forms, 'plain')  # for tests and benchmarks


def closed_or_plain(
    closed: Callable[..., Terms],
    plain: Callable[..., Terms],
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    apart: bool,
    **settings: float,
) -> Terms:
    """Check the inputs, and compute a loss in the form that is faster here.

    Both forms give target and non-target term of each row. `plain` takes
    logits (N, C), of student and teacher, and target classes (N, 1). `closed`
    takes a block of n rows of these, and four matrices (n, C): two of scratch
    memory, `s`, which gets the student's exponentials of the target term, and
    one for the gradient of the non-target term. It returns the derivatives of
    the target term too: by the target's logit, and by the others, in parts of
    `s`, (n, 1).

    Return both terms, each with a graph of its own, if they are wanted
    `apart`, else only their sum; (N,).
    """
    check_inputs(logits_student, logits_teacher, target, **settings)
    inputs = logits_student, logits_teacher.detach(), target_index(target)
    if not _prefers_closed_form(*inputs):
        terms = plain(*inputs, **settings)
        return terms if apart else (terms[0] + terms[1],)

    def plain_term(number: int, *inputs: Tensor) -> Tensor:
        terms = plain(*inputs, **settings)
        return terms[number] if apart else terms[0] + terms[1]

    with torch.no_grad():
        found = _in_blocks(closed, settings, apart, *inputs)
    return tuple(
        _Term.apply(*inputs, *pair, partial(plain_term, number))
        for number, pair in enumerate(found)
    )


def _prefers_closed_form(*inputs: Tensor) -> bool:
    if is_compiling() or torch.jit.is_tracing() or _form.get() == 'plain':
        return False
    student = inputs[0]
    return (
        (student.numel() >= _SMALL or _form.get() == 'closed')
        and torch.is_grad_enabled()
        and student.requires_grad
        and all(type(x) in (Tensor, nn.Parameter) for x in inputs)
        and all(x.device == student.device for x in inputs)
        and forward_ad.unpack_dual(student).tangent is None
        and all(map(_has_memory, inputs))
    )


def _has_memory(x: Tensor) -> bool:
    """Tell whether a tensor is none of those that torch.func puts around."""
    try:
        x.data_ptr()
    except RuntimeError:
        return False
    return True


class _Term(torch.autograd.Function):
    """Give the value of a term, (N,), the gradient that came with it.

    A gradient that is to be differentiated in turn is that of the plain form.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        student: Tensor,
        teacher: Tensor,
        index: Tensor,
        value: Tensor,
        gradient: Tensor,
        plain: Callable[..., Tensor],
    ) -> Tensor:
        return value.clone()  # an input itself could not be changed in place

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        student, teacher, index, _, gradient, ctx.plain = inputs
        ctx.save_for_backward(student, teacher, index, gradient)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        student, teacher, index, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            value = ctx.plain(student, teacher, index)
            (result,) = torch.autograd.grad(
                value, student, grad, create_graph=True
            )
        else:
            result = (gradient * grad.unsqueeze(1)).to(student.dtype)
        return result, None, None, None, None, None


def _in_blocks(
    closed: Callable[..., Terms],
    settings: dict[str, float],
    apart: bool,
    student: Tensor,
    teacher: Tensor,
    index: Tensor,
) -> list[tuple[Tensor, Tensor]]:
    """Return values (N,) and gradients (N, C) of each term, or of the sum."""
    count, classes = student.shape
    size = count
    if student.is_cpu:
        size = max(_BLOCK * torch.get_num_threads() // classes, 1)
    dtype = torch.promote_types(student.dtype, teacher.dtype)
    dtype = torch.promote_types(dtype, torch.float32)
    others = torch.empty_like(student, dtype=dtype)
    target = torch.empty_like(others) if apart else others
    scratch = others.new_empty(3, min(size, count), classes).unbind()

    values = []
    columns = (student, teacher, index, target, others)
    for rows in zip(*(column.split(size) for column in columns)):
        logits_s, logits_t, labels, s, gradient = rows
        x, t, spare = (matrix[: len(s)] for matrix in scratch)
        s = s if apart else spare
        block = logits_s, logits_t, labels, x, t, s, gradient
        *terms, own, share = closed(block, **settings)
        values.append(terms)
        if apart:
            s.mul_(share).scatter_(1, labels, own)
        else:
            gradient.addcmul_(s, share).scatter_(1, labels, own)
    target_term, others_term = (torch.cat(term)[:, 0] for term in zip(*values))
    if apart:
        return [(target_term, target), (others_term, others)]
    return [(target_term + others_term, others)]
