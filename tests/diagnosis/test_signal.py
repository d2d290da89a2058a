"""What a teacher has to teach, against loops."""

import doctest
import math

import pytest
import torch
from reference import softmax

from mmnkd.diagnosis import signal
from mmnkd.diagnosis.signal import measure_signal


def entropy(shares):
    return -sum(p * math.log(p) for p in shares)


def test_signal_is_what_loops_compute():
    torch.manual_seed(0)
    logits = 2 * torch.randn(6, 5, dtype=torch.float64)
    target = [0, 4, 2, 2, 1, 3]
    right, share, of_target, of_others = 0, 0.0, 0.0, 0.0
    for row, t in zip(logits.tolist(), target):
        right += row.index(max(row)) == t
        p = softmax(row)[t]
        share += p / 6
        of_target += entropy([p, 1 - p]) / math.log(2) / 6
        others = softmax([x for i, x in enumerate(row) if i != t])
        of_others += entropy(others) / math.log(4) / 6
    found = measure_signal(logits, torch.tensor(target))
    assert found.images == 6
    assert found.top1 == pytest.approx(100 * right / 6)
    assert found.target_share == pytest.approx(share)
    assert found.target_entropy == pytest.approx(of_target)
    assert found.other_entropy == pytest.approx(of_others)


def test_two_classes_have_no_others_to_tell_apart():
    found = measure_signal(torch.tensor([[3.0, -3.0]]), torch.tensor([0]))
    assert found.other_entropy == 0


def test_of_mixed_labels_the_largest_counts():
    logits = torch.tensor([[0.0, 3.0, 1.0]])
    scores = torch.tensor([[0.3, 0.7, 0.0]])
    assert measure_signal(logits, scores) == measure_signal(
        logits, torch.tensor([1])
    )


def test_example_prints_what_it_says():
    assert doctest.testmod(signal).failed == 0
