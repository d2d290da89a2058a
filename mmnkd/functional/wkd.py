"""Wasserstein distillation of logits (WKD-L)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Union

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_inputs, check_positive
from .cost import check_cost, product
from .tensors import (
    at_least_float32,
    drop,
    finite,
    lowest,
    reduce_loss,
    student_and_teacher,
    target_index,
)


def wkd_loss(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float,
    gamma: float,
    cost: Union[float, Tensor],
    regularization: float = 0.05,
    iterations: int = 10,
    reduction: str = 'mean',
) -> Tensor:
    r"""Compute the Wasserstein distillation loss of logits (WKD-L).

    .. math::
        L = - T_t \log S_t
            + \gamma \sum_{i,j \ne t} u_i K_{ij} v_j c_{ij}, \qquad
        K = \exp(-c / \eta)

    with :math:`S`, :math:`T` the softmax of student and teacher at
    temperature 1 and :math:`t` the target class. The second term is what it
    costs to move the softmax of the student over the other C-1 classes, at
    temperature :math:`\lambda`, to the teacher's: :math:`u` starts uniform,
    and Sinkhorn's steps :math:`v = \hat T^\lambda / K^\top u`,
    :math:`u = \hat S^\lambda / K v` are taken a number of times. They have
    not converged then, so that their number is part of the loss.

    Args:
        logits_student: (N, C) logits of the student, any floating dtype.
        logits_teacher: (N, C) logits of the teacher; no gradient flows there.
        target: (N,) class indices, or (N, C) scores of mixed labels, whose
            largest entry is the target class (as in NKD).
        temperature: :math:`\lambda > 0`, of the classes other than the target.
        gamma: :math:`\gamma \ge 0`, weight of the second term.
        cost: :math:`c`, what it costs to move probability from class i to
            class j. A number is that of any two different classes, and needs
            no matrix; else (C, C), such as :func:`classifier_cost`. At most
            80 times `regularization`.
        regularization: :math:`\eta > 0`.
        iterations: Number of Sinkhorn's steps.
        reduction: 'none', 'mean' or 'sum' over the batch.

    Returns:
        The loss, (N,) if `reduction` is 'none', else a scalar; float32, or
        float64 where an input is float64. It is the exact form, without the
        1e-8 that the authors' code adds to the cost and the denominators.

    Raises:
        TypeError: As :func:`mmnkd.functional.nkd_loss`, or the cost is
            neither a number nor a tensor.
        ValueError: As :func:`mmnkd.functional.nkd_loss`, or the cost is of
            another size, negative or too large (seen on CPUs only).

    Reference:
        Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
        for Knowledge Distillation", NeurIPS 2024, arXiv 2412.08139.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> loss = wkd_loss(
        ...     student,
        ...     teacher,
        ...     torch.tensor([0]),
        ...     temperature=2.0,
        ...     gamma=30.0,
        ...     cost=0.62,
        ... )
        >>> print(f'{loss:.4f}')
        0.9028
    """
    target_term, transport_term = wkd_terms(
        logits_student,
        logits_teacher,
        target,
        temperature=temperature,
        gamma=gamma,
        cost=cost,
        regularization=regularization,
        iterations=iterations,
    )
    return reduce_loss(target_term + transport_term, reduction)


def wkd_terms(
    logits_student: Tensor,
    logits_teacher: Tensor,
    target: Tensor,
    *,
    temperature: float,
    gamma: float,
    cost: Union[float, Tensor],
    regularization: float = 0.05,
    iterations: int = 10,
) -> tuple[Tensor, Tensor]:
    """Compute the two terms of WKD-L per sample, to log them apart.

    Arguments, errors and reference are as in :func:`wkd_loss`.

    Returns:
        Target term and weighted transport term, both (N,). Their sum is
        :func:`wkd_loss` with ``reduction='none'``.
    """
    inputs = logits_student, logits_teacher, target
    check_inputs(*inputs, temperature=temperature, gamma=gamma)
    check_positive('regularization', regularization)
    check_cost(cost, regularization, logits_student.shape[1])
    check_iterations(iterations)

    index = target_index(target)
    student, teacher = student_and_teacher(logits_student, logits_teacher)
    log_s = F.log_softmax(finite(student), dim=1).gather(1, index)
    t = F.softmax(teacher, dim=1).gather(1, index)
    target_term = -(t * log_s).squeeze(1)

    wide = torch.promote_types(student.dtype, teacher.dtype)
    log_s_hat, log_t_hat = (
        F.log_softmax(drop(finite(x / temperature), index), dim=1).to(wide)
        for x in (student, teacher)
    )
    is_other = (~logits_student.isneginf()).scatter(1, index, False)
    maps = _kernel(cost, regularization)
    work = _transport(log_s_hat, log_t_hat, is_other, maps, iterations)
    return target_term, gamma * work


def check_iterations(iterations: int) -> None:
    """Expect a positive int."""
    if type(iterations) is not int or iterations < 1:
        raise ValueError(
            'Expected `iterations` to be a positive int, but got '
            f'{iterations!r}.'
        )


Map = Callable[[Tensor], Tensor]


def _kernel(
    cost: Union[float, Tensor], regularization: float
) -> tuple[Map, Map, Map]:
    """Return what multiplies rows by K, by its transpose, and by K * c."""
    if isinstance(cost, Tensor):
        costs = at_least_float32(cost.detach())
        matrix = torch.exp(-costs / regularization)

        def times(matrix: Tensor) -> Map:
            return lambda rows: product(rows, matrix.to(rows.dtype))

        return times(matrix.T), times(matrix), times((matrix * costs).T)

    kernel = math.exp(-cost / regularization)

    def move(rows: Tensor) -> Tensor:
        total = rows.sum(dim=1, keepdim=True)
        return (1 - kernel) * rows + kernel * total

    def price(rows: Tensor) -> Tensor:
        return cost * kernel * (rows.sum(dim=1, keepdim=True) - rows)

    return move, move, price


def _transport(
    log_s: Tensor,
    log_t: Tensor,
    is_other: Tensor,
    maps: tuple[Map, Map, Map],
    iterations: int,
) -> Tensor:
    """Return the cost of moving rows of probabilities to others, (N,)."""
    move, move_back, price = maps
    # Uniform; its scale cancels.
    log_u = torch.zeros_like(log_s).masked_fill(~is_other, lowest(log_s))
    for _ in range(iterations):
        log_v = log_t - _log_of(move_back, log_u)
        log_u = log_s - _log_of(move, log_v)
    largest = log_v.detach().amax(dim=1, keepdim=True)
    prices = price((log_v - largest).exp())
    return ((log_u + largest).exp() * prices).sum(dim=1)


def _log_of(move: Map, log_x: Tensor) -> Tensor:
    """Return the logarithm of what `move` makes of rows given in logarithms.

    What underflows is lost in the sum, as the kernel is at least exp(-80).
    """
    largest = log_x.detach().amax(dim=1, keepdim=True)
    return largest + move((log_x - largest).exp()).log()
