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
from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from .checks import is_compiling

__all__ = ['Block', 'closed_or_plain']

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


class Block(NamedTuple):
    """Hold n rows of a loss with a teacher.

    Attributes:
        student: (n, C) logits.
        teacher: (n, C) logits.
        labels: (n, 1) target classes.
        x: (n, C) scratch memory.
        t: (n, C) scratch memory.
        s: (n, C), gets the student's exponentials of the target term.
        others: (n, C), gets the gradient of the non-target term.
    """

    student: Tensor
    teacher: Tensor
    labels: Tensor
    x: Tensor
    t: Tensor
    s: Tensor
    others: Tensor


def closed_or_plain(
    closed: Callable[..., Terms],
    plain: Callable[..., Terms],
    logits_student: Tensor,
    logits_teacher: Tensor,
    index: Tensor,
    *,
    apart: bool,
    **settings: float,
) -> Terms:
    """Compute a loss in the form that is faster here.

    Args:
        closed: From a :class:`Block` to target term, non-target term, the
            derivative of the first by the target's logit, and that by the
            others, in parts of the block's `s`, all (n, 1).
        plain: From the next three to target and non-target term, both (N,).
        logits_student: (N, C) logits.
        logits_teacher: (N, C) logits.
        index: (N, 1) target classes.
        apart: Whether the terms are returned, each with a graph of its own.
        **settings: What both forms take too.

    Returns:
        Both terms, or only their sum, (N,).
    """
    if not _prefers_closed_form(logits_student, logits_teacher, index):
        terms = plain(logits_student, logits_teacher, index, **settings)
        return terms if apart else (terms[0] + terms[1],)

    inputs = logits_student, logits_teacher.detach(), index
    found: list[tuple[Tensor, Tensor]] = []  # both terms come from one pass

    def closed_term(number: int, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        if not found:
            found.extend(_in_blocks(closed, settings, apart, *inputs))
        return found[number]

    def plain_term(number: int, *inputs: Tensor) -> Tensor:
        terms = plain(*inputs, **settings)
        return terms[number] if apart else terms[0] + terms[1]

    return tuple(
        _Term.apply(
            *inputs, partial(closed_term, number), partial(plain_term, number)
        )[0]
        for number in range(1 + apart)
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
    )


class _Term(torch.autograd.Function):
    """Compute a term of each sample, (N,), and with it its gradient.

    A gradient that is to be differentiated in turn, and any under torch.func,
    is that of the plain form.
    """

    @staticmethod
    def forward(
        student: Tensor,
        teacher: Tensor,
        index: Tensor,
        closed: Callable[..., tuple[Tensor, Tensor]],
        plain: Callable[..., Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the term and its (N, C) gradient."""
        return closed(student, teacher, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        """Save what the other methods read."""
        ctx.plain = inputs[4]
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # zeros for the gradient's gradient
        ctx.save_for_backward(*inputs[:3], output[1])
        ctx.save_for_forward(*inputs[:3])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple:
        """Multiply each row of the gradient by its factor."""
        *inputs, result = ctx.saved_tensors
        if grad is None:
            result = None
        elif torch.is_grad_enabled():
            (result,) = _pull_back(ctx.plain, *inputs)[1](grad)
        else:
            result = (result * grad.unsqueeze(1)).to(inputs[0].dtype)
        return result, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:
        """Push a tangent through the plain form."""
        student, *rest = ctx.saved_tensors
        pushed = torch.func.jvp(
            lambda student: ctx.plain(student, *rest), (student,), (tangent,)
        )[1]
        return pushed, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *inputs: Any) -> tuple:
        """Map the plain form and its gradient."""

        def term(*tensors: Tensor) -> tuple[Tensor, Tensor]:
            value, pull = _pull_back(inputs[4], *tensors)
            return value, pull(torch.ones_like(value))[0]

        return torch.vmap(term, in_dims=in_dims[:3])(*inputs[:3]), (0, 0)


def _pull_back(
    plain: Callable[..., Tensor], student: Tensor, *rest: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor]]]:
    """Return a plain term, and what turns its gradient into the student's."""
    value, pull, *_ = torch.func.vjp(
        lambda student: plain(student, *rest), student
    )
    return value, pull


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
        block = Block(logits_s, logits_t, labels, x, t, s, gradient)
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
