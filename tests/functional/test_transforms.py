"""What torch makes of the closed form: the same as of the plain one."""

import pytest
import torch
import torch.autograd.forward_ad as fwad
from draws import CLOSED, each, gradient_of, hard, logits
from torch.autograd import gradgradcheck
from torch.utils.checkpoint import checkpoint

# What torch makes of a loss of the student, by name. Each gives a tensor.
TRANSFORMS = {
    'grad': lambda f, x: torch.func.grad(f)(x),
    'hessian': lambda f, x: torch.func.hessian(f)(x),
    'jacobian': lambda f, x: torch.func.jacrev(f)(x),
    'gradient of a gradient': lambda f, x: torch.func.grad(
        lambda y: torch.func.grad(f)(y).square().sum()
    )(x),
    'jvp': lambda f, x: torch.func.jvp(f, (x,), (x.cos(),))[1],
    'jvp of a gradient': lambda f, x: torch.func.jvp(
        torch.func.grad(f), (x,), (x.cos(),)
    )[1],
    'vmap': lambda f, x: torch.vmap(f)(torch.stack([x, 2 * x])),
    'vmap of a gradient': lambda f, x: torch.vmap(torch.func.grad(f))(
        torch.stack([x, 2 * x])
    ),
    'gradient through vmap': lambda f, x: torch.func.grad(
        lambda y: torch.vmap(f)(torch.stack([y, 2 * y])).sum()
    )(x),
    'vmap over a vjp without grad': lambda f, x: torch.no_grad()(
        torch.vmap(lambda y: torch.func.vjp(f, y)[1](y.sum())[0])
    )(torch.stack([x, 2 * x])),
    'autograd hessian': lambda f, x: torch.autograd.functional.hessian(
        f, x, vectorize=True
    ),
    'forward mode': lambda f, x: forward_mode(f, x),
    'checkpoint': lambda f, x: gradient_of(
        lambda y: checkpoint(f, y, use_reentrant=False), x
    ),
    'compile': lambda f, x: torch.compile(f, backend='aot_eager')(x),
    'trace': lambda f, x: torch.jit.trace(f, x, check_trace=False)(2 * x),
    'subclass': lambda f, x: f(x.as_subclass(Subclass)).as_subclass(
        torch.Tensor
    ),
}


class Subclass(torch.Tensor):
    """A tensor that isn't plain."""


def forward_mode(function, x):
    with fwad.dual_level():
        dual = fwad.make_dual(x.clone().requires_grad_(), x.cos())
        tangent = fwad.unpack_dual(function(dual)).tangent
    return tangent.detach()


@each(CLOSED)
@pytest.mark.parametrize('name', TRANSFORMS)
@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_whatever_torch_makes_of_a_loss_is_as_of_its_plain_form(loss, name):
    rest = logits((5, 7), seed=1), hard((5, 7))
    transform, student = TRANSFORMS[name], logits((5, 7))
    ours = transform(lambda x: loss(x, *rest), student)
    theirs = transform(lambda x: loss.plain()(x, *rest), student)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@each(CLOSED)
def test_each_input_may_be_mapped(loss):
    inputs = [
        torch.stack([draw((5, 7), seed) for seed in range(3)])
        for draw in (logits, logits, hard)
    ]
    mapped = torch.vmap(torch.func.grad(loss))(*inputs)
    for number, rows in enumerate(zip(*inputs)):
        torch.testing.assert_close(
            mapped[number], torch.func.grad(loss)(*rows)
        )


@each(CLOSED)
@pytest.mark.parametrize('create_graph', [False, True])
def test_gradients_may_be_batched(loss, create_graph):
    student = logits((5, 7)).requires_grad_()
    losses = loss(student, logits((5, 7), 1), hard((5, 7)), reduction='none')

    def pull(weights, **kwargs):
        return torch.autograd.grad(
            losses, student, weights, retain_graph=True, **kwargs
        )[0]

    one_by_one = torch.stack([pull(row) for row in torch.eye(5).double()])
    together = pull(
        torch.eye(5).double(), is_grads_batched=True, create_graph=create_graph
    )
    torch.testing.assert_close(together, one_by_one)
    mapped = torch.vmap(pull)(torch.eye(5).double())
    torch.testing.assert_close(mapped, one_by_one)


@each(CLOSED)
def test_double_backward_passes_gradgradcheck(loss):
    rest = logits((3, 5), seed=1), hard((3, 5))
    student = logits((3, 5)).requires_grad_()
    assert gradgradcheck(lambda s: loss(s, *rest, reduction='none'), student)


@each(CLOSED)
def test_a_loss_of_other_tensors_may_stand_inside_a_transform(loss):
    student = logits((5, 7)).requires_grad_()
    rest = logits((5, 7), seed=1), hard((5, 7))
    mapped = torch.vmap(lambda w: w * loss(student, *rest))(torch.arange(3.0))
    (gradient,) = torch.autograd.grad(mapped.sum(), student)
    torch.testing.assert_close(gradient, 3 * gradient_of(loss, student, *rest))


@each(CLOSED)
def test_a_result_may_be_changed_in_place(loss):
    inputs = logits((5, 7)), logits((5, 7), seed=1), hard((5, 7))

    def doubled(*inputs):
        return loss(*inputs, reduction='none').mul_(2)

    expected = 2 * gradient_of(loss, *inputs, reduction='none')
    torch.testing.assert_close(gradient_of(doubled, *inputs), expected)
