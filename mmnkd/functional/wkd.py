"""Wasserstein distillation of logits (WKD-L)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Union

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import (
    check_not_negative,
    check_pair,
    check_positive,
    check_target,
    is_compiling,
)
from .tensors import (
    at_least_float32,
    drop,
    finite,
    lowest,
    reduce_loss,
    student_and_teacher,
    target_index,
)

__all__ = [
    'check_cost',
    'check_iterations',
    'classifier_cost',
    'wkd_loss',
    'wkd_terms',
]

# exp(-cost / regularization) has to stay a number in float32.
_LARGEST_EXPONENT = 80.0


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
    r"""Compute the two terms of WKD-L per sample, to log them apart.

    Args:
        logits_student: See :func:`wkd_loss`, as for all that follows.
        logits_teacher: (N, C) logits.
        target: (N,) class indices or (N, C) scores.
        temperature: :math:`\lambda`.
        gamma: :math:`\gamma`.
        cost: :math:`c`.
        regularization: :math:`\eta`.
        iterations: Number of Sinkhorn's steps.

    Returns:
        Target term :math:`-T_t \log S_t` and weighted transport term, both
        (N,). Their sum is :func:`wkd_loss` with ``reduction='none'``.

    Raises:
        TypeError, ValueError: As :func:`wkd_loss`.

    Reference:
        Lv et al., arXiv 2412.08139.

    Example:
        >>> import torch
        >>> student = torch.tensor([[2.0, 1.0, 0.0]])
        >>> teacher = torch.tensor([[4.0, 1.0, 2.0]])
        >>> terms = wkd_terms(
        ...     student,
        ...     teacher,
        ...     torch.tensor([0]),
        ...     temperature=2.0,
        ...     gamma=30.0,
        ...     cost=0.62,
        ... )
        >>> print(*[f'{term.item():.4f}' for term in terms])
        0.3439 0.5589
    """
    check_pair(logits_student, logits_teacher)
    check_target(target, logits_student)
    check_positive('temperature', temperature)
    check_not_negative('gamma', gamma)
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
        F.log_softmax(drop(finite(logits / temperature), index), dim=1)
        for logits in (student, teacher)
    )
    is_other = (~logits_student.isneginf()).scatter(1, index, False)
    if isinstance(cost, Tensor):
        maps = _kernel(cost, regularization)
    else:
        maps = _constant_kernel(cost, regularization)
    work = _transport(
        log_s_hat.to(wide),
        log_t_hat.to(wide),
        is_other,
        *maps,
        iterations,
    )
    return target_term, gamma * work


def classifier_cost(weight: Tensor, *, sharpen: float = 0.0) -> Tensor:
    r"""Compute a cost of moving probability from a classifier's weights.

    .. math::
        d_{ij} = 1 - \cos(w_i, w_j), \qquad c_{ij} = 1 - \exp(-\kappa d_{ij})

    with :math:`w_i` the weights of class i, and :math:`c = d` for
    :math:`\kappa = 0`.

    Args:
        weight: (C, D) weights of a linear classifier, the teacher's; no
            gradient flows there.
        sharpen: :math:`\kappa \ge 0`.

    Returns:
        (C, C), at least 0 and at most 2; float32, or float64 where the weights
        are float64.

    Raises:
        TypeError: The weights are no tensor, or of no floating dtype.
        ValueError: They aren't (C, D), or `sharpen` is negative.

    Reference:
        Lv et al., "Wasserstein Distance Rivals Kullback-Leibler Divergence
        for Knowledge Distillation", NeurIPS 2024, arXiv 2412.08139.

    Example:
        >>> import torch
        >>> classifier_cost(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
        tensor([[0., 1., 0.],
                [1., 0., 1.],
                [0., 1., 0.]])
    """
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        found = getattr(weight, 'dtype', type(weight).__name__)
        raise TypeError(
            f'Expected `weight` to be a floating tensor, but got {found}.'
        )
    if weight.ndim != 2:
        raise ValueError(
            'Expected `weight` of shape (C, D), that of a linear classifier, '
            f'but got {tuple(weight.shape)}.'
        )
    check_not_negative('sharpen', sharpen)
    rows = F.normalize(at_least_float32(weight.detach()), dim=1)
    distance = (1 - _product(rows, rows.T)).clamp(min=0)
    return -torch.expm1(-sharpen * distance) if sharpen else distance


def check_cost(
    cost: Union[float, Tensor], regularization: float, classes: int
) -> None:
    """Expect a cost >= 0, a number or (C, C), with a kernel in float32."""
    highest: float = 0.0
    if isinstance(cost, Tensor):
        if not cost.is_floating_point():
            raise TypeError(
                'Expected `cost` to be a number or a floating tensor, but got '
                f'{cost.dtype}.'
            )
        if cost.shape != (classes, classes):
            raise ValueError(
                f'Expected `cost` of shape ({classes}, {classes}), as the '
                f'logits have {classes} classes, but got {tuple(cost.shape)}.'
            )
        if cost.is_cpu and not is_compiling():  # a GPU would have to wait
            lowest, highest = map(float, cost.aminmax())
            if not (lowest >= 0 and highest < float('inf')):
                raise ValueError(
                    'Expected `cost` to be finite and at least 0, but got '
                    f'values from {lowest} to {highest}.'
                )
    elif isinstance(cost, (int, float)):
        check_not_negative('cost', cost)
        highest = cost
    else:
        raise TypeError(
            'Expected `cost` to be a number or a (C, C) tensor, but got '
            f'{cost!r}.'
        )
    if highest > _LARGEST_EXPONENT * regularization:
        raise ValueError(
            f'Expected `cost` to be at most {_LARGEST_EXPONENT:.0f} times '
            f'`regularization`, beyond which exp(-cost / regularization) '
            f'underflows, but got {highest} at {regularization}.'
        )


def check_iterations(iterations: int) -> None:
    """Expect a positive int."""
    if type(iterations) is not int or iterations < 1:
        raise ValueError(
            'Expected `iterations` to be a positive int, but got '
            f'{iterations!r}.'
        )


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices in their own precision, inside autocast too."""
    if a.is_meta:  # has no autocast
        return a @ b
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


Map = Callable[[Tensor], Tensor]


def _kernel(cost: Tensor, regularization: float) -> tuple[Map, Map, Map]:
    """Return what multiplies rows by K, by its transpose, and by K * c."""
    cost = at_least_float32(cost.detach())
    kernel = torch.exp(-cost / regularization)

    def times(matrix: Tensor) -> Map:
        return lambda rows: _product(rows, matrix.to(rows.dtype))

    return times(kernel.T), times(kernel), times((kernel * cost).T)


def _constant_kernel(
    cost: float, regularization: float
) -> tuple[Map, Map, Map]:
    """Return those of a cost that is the same between all classes."""
    share = math.exp(-cost / regularization)

    def total(rows: Tensor) -> Tensor:
        return rows.sum(dim=1, keepdim=True)

    def move(rows: Tensor) -> Tensor:
        return (1 - share) * rows + share * total(rows)

    def price(rows: Tensor) -> Tensor:
        return cost * share * (total(rows) - rows)

    return move, move, price


def _transport(
    log_s: Tensor,
    log_t: Tensor,
    is_other: Tensor,
    move: Map,
    move_back: Map,
    price: Map,
    iterations: int,
) -> Tensor:
    """Return the cost of moving rows of probabilities to others, (N,)."""
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
