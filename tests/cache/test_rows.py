import math

import pytest
import torch
import torch.nn.functional as F

from mmnkd.cache.rows import Rows
from mmnkd.functional import nkd_terms

CPU = torch.device('cpu')


def draw(n=6, classes=37, scale=4.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, classes, generator=generator)
    return logits, torch.arange(n) * 5 % classes


def there_and_back(rows, logits, target):
    return rows.unpack(rows.pack(logits, target), target, CPU)


def slow_top_k(logits, target, k):
    """Spread what is left evenly, in loops and float64."""
    result = logits.double().clone()
    for row, label in zip(result, target.tolist()):
        order = sorted(range(len(row)), key=lambda i: -row[i].item())
        kept = {*order[:k], label}
        rest = [i for i in range(len(row)) if i not in kept]
        if rest:
            mass = sum(math.exp(row[i].item()) for i in rest)
            row[rest] = math.log(mass / len(rest))
    return result


@pytest.mark.parametrize('k', [1, 2, 5, 36])
@pytest.mark.parametrize('classes', [37, 64, 65])
def test_top_k_is_as_the_loops_say(k, classes):
    logits, target = draw(classes=classes)
    found = there_and_back(Rows(classes, k), logits, target)
    expected = slow_top_k(logits, target, k)
    torch.testing.assert_close(
        found.double(), expected, rtol=2**-10, atol=5e-3
    )


def test_dense_rows_are_the_logits_in_float16():
    logits, _ = draw()
    logits[0, 3] = -math.inf
    found = there_and_back(Rows(37, None), logits, None)
    assert torch.equal(found, logits.half().float())


def test_two_classes_and_masked_classes_survive_top_k():
    logits = torch.tensor([[1.0, 3.0], [2.0, -1.0]])
    target = torch.tensor([0, 0])
    found = there_and_back(Rows(2, 1), logits, target)
    torch.testing.assert_close(found, logits)
    masked = torch.tensor([[5.0, -math.inf, -math.inf, 1.0]])
    found = there_and_back(Rows(4, 2), masked, torch.tensor([3]))
    assert found.tolist() == masked.tolist()


@pytest.mark.parametrize(('k', 'most'), [(10, 40), (32, 112)])
def test_a_row_of_1000_classes_is_small(k, most):
    rows = Rows(1000, k)
    logits, target = draw(classes=1000)
    assert rows.pack(logits, target).shape == (6, rows.bytes)
    assert rows.bytes < most - 1  # a block's header needs the rest


def test_nkd_keeps_its_target_term_and_kept_classes_at_temperature_1():
    """As derived in docs/cache.md."""
    teacher, target = (
        x.double() if x.is_floating_point() else x for x in draw(classes=50)
    )
    student, _ = draw(classes=50, seed=1)
    student = student.double().requires_grad_()
    kept = slow_top_k(teacher, target, 5)

    def terms(logits):
        return nkd_terms(student, logits, target, temperature=1, gamma=1)

    (one, many), (one_kept, many_kept) = terms(teacher), terms(kept)
    torch.testing.assert_close(one, one_kept)
    (of_live,) = torch.autograd.grad(many.sum(), student, retain_graph=True)
    (of_kept,) = torch.autograd.grad(many_kept.sum(), student)
    top = teacher.topk(5).indices
    torch.testing.assert_close(of_live.gather(1, top), of_kept.gather(1, top))
    difference = of_live - of_kept
    torch.testing.assert_close(
        difference.sum(dim=1), torch.zeros(6, dtype=torch.float64)
    )
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize('temperature', [2.0, 4.0])
def test_the_spread_mass_is_too_large_at_higher_temperatures(temperature):
    teacher, target = draw(classes=50)
    kept = slow_top_k(teacher, target, 5)
    top = teacher.topk(5).indices
    shares = [
        F.softmax(x.double() / temperature, dim=1).gather(1, top).sum(dim=1)
        for x in (teacher, kept)
    ]
    assert (shares[1] < shares[0]).all()


@pytest.mark.parametrize('value', [math.nan, math.inf, 7e4, -7e4])
def test_logits_that_float16_has_not_are_refused(value):
    logits, target = draw()
    logits[2, 2] = value
    for topk in (None, 3):
        with pytest.raises(ValueError, match='within the range of float16'):
            Rows(37, topk).pack(logits, target)


def test_other_classes_and_samples_without_label_are_refused():
    logits, target = draw()
    with pytest.raises(ValueError, match='36 classes, but got 37'):
        Rows(36, None).pack(logits, target)
    with pytest.raises(ValueError, match='samples with a label'):
        Rows(37, 3).pack(logits, None)
    with pytest.raises(ValueError, match='samples with a label'):
        Rows(37, 3).pack(logits, target[1:])
    rows = Rows(37, 3).pack(logits, target)
    target[2] = -100  # torch's cross entropy leaves it out
    with pytest.raises(ValueError, match='samples with a label'):
        Rows(37, 3).pack(logits, target)
    with pytest.raises(ValueError, match='samples with a label'):
        Rows(37, 3).unpack(rows, target, CPU)


def test_the_target_of_scores_is_the_largest():
    logits, target = draw()
    scores = 0.9 * F.one_hot(target, 37) + 0.1 / 37
    rows = Rows(37, 3)
    assert torch.equal(rows.pack(logits, scores), rows.pack(logits, target))
