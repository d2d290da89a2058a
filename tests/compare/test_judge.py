"""What predictions are worth, against loops over plain numbers."""

import math

import pytest
import torch

from mmnkd.compare.judge import BINS, agreement, judge

torchmetrics = pytest.importorskip('torchmetrics')


@pytest.fixture
def drawn():
    """Draw log-probabilities of 60 images and 5 classes, the last without."""
    generator = torch.Generator().manual_seed(2)
    student, teacher = 2 * torch.randn(2, 60, 5, generator=generator)
    target = torch.randint(4, (60,), generator=generator)
    return student.log_softmax(1), teacher.log_softmax(1), target


def test_classes_and_confusions_are_counted(drawn):
    log_p, _, target = drawn
    judged = judge(log_p, target)
    rows = log_p.argmax(1).tolist()
    for i in range(4):
        taken = [p for p, y in zip(rows, target.tolist()) if y == i]
        for j in range(5):
            share = taken.count(j) / len(taken)
            assert float(judged.confusion[i, j]) == pytest.approx(share)
        assert judged.per_class[i] == judged.confusion[i, i]
    assert judged.per_class[4].isnan()  # no image is of this class
    right = sum(p == y for p, y in zip(rows, target.tolist()))
    assert judged.accuracy == pytest.approx(right / 60)


def test_the_calibration_error_is_that_of_the_bins(drawn):
    log_p, _, target = drawn
    judged = judge(log_p, target)
    error = 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        top = [float(row.exp().max()) for row in log_p]
        inside = [i for i, p in enumerate(top) if low < p <= high]
        assert float(judged.bin_share[number]) == pytest.approx(
            len(inside) / 60
        )
        if not inside:
            assert judged.confidence[number].isnan()
            continue
        sure = sum(top[i] for i in inside) / len(inside)
        right = [int(log_p[i].argmax()) == int(target[i]) for i in inside]
        accuracy = sum(right) / len(inside)
        assert float(judged.confidence[number]) == pytest.approx(sure)
        assert float(judged.bin_accuracy[number]) == pytest.approx(accuracy)
        error += len(inside) / 60 * abs(sure - accuracy)
    assert judged.ece == pytest.approx(error, abs=1e-6)


def test_nontarget_probabilities_are_normalized_as_nkd_does(drawn):
    log_p, _, target = drawn
    judged = judge(log_p, target)
    expected = [0.0] * 4
    for row, label in zip(log_p.exp().tolist(), target.tolist()):
        others = sorted(row[:label] + row[label + 1 :], reverse=True)
        for rank, value in enumerate(others):
            expected[rank] += value / sum(others) / 60
    assert judged.nontarget.tolist() == pytest.approx(expected, rel=1e-5)
    # A constant added to the target's logit changes none of them.
    shifted = log_p.scatter_add(1, target[:, None], torch.full((60, 1), 3.0))
    again = judge(shifted.log_softmax(1), target).nontarget
    torch.testing.assert_close(again, judged.nontarget)


def test_quantiles_of_the_target_are_sorted_probabilities(drawn):
    log_p, _, target = drawn
    values = judge(log_p, target).target
    of_target = log_p.exp()[torch.arange(60), target].sort().values
    assert values[0] == of_target[0]
    assert values[-1] == of_target[-1]
    assert values.tolist() == sorted(values.tolist())


def test_agreement_with_the_teacher(drawn):
    log_p, log_teacher, target = drawn
    found = agreement(log_p, log_teacher, target)
    s, t, y = log_p.argmax(1), log_teacher.argmax(1), target
    rows = list(zip(s.tolist(), t.tolist(), y.tolist()))
    assert found.top1 == pytest.approx(sum(a == b for a, b, _ in rows) / 60)
    for value, sure in ((found.where_right, True), (found.where_wrong, False)):
        some = [a == c for a, b, c in rows if (b == c) == sure]
        assert value == pytest.approx(sum(some) / len(some))
    expected = torch.nn.functional.kl_div(
        log_p, log_teacher, reduction='batchmean', log_target=True
    )
    assert found.divergence == pytest.approx(float(expected), rel=1e-5)


def test_a_student_that_is_its_teacher_agrees(drawn):
    log_p, _, target = drawn
    found = agreement(log_p, log_p, target)
    assert found.top1 == 1
    assert found.divergence == pytest.approx(0, abs=1e-6)
    assert found.where_right == 1
    assert found.where_wrong == 0
    always = agreement(log_p, log_p, log_p.argmax(1))
    assert math.isnan(always.where_wrong)
