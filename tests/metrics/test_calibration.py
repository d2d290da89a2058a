"""The calibration error: against loops, and in a Runner."""

import pytest
import tiny
import torch

from mmnkd.metrics import CalibrationError


def samples(n=40, classes=5):
    torch.manual_seed(0)
    scores = (2 * torch.randn(n, classes)).softmax(dim=1)
    labels = torch.randint(classes, (n, 1))
    return [
        {'pred_score': score, 'gt_label': label}
        for score, label in zip(scores, labels)
    ]


def bins_of(predictions, count):
    """Return the gap between confidence and accuracy of each bin, and n."""
    bins = [[] for _ in range(count)]
    for sample in predictions:
        scores = sample['pred_score'].tolist()
        confidence = max(scores)
        right = scores.index(confidence) == sample['gt_label'].item()
        bins[min(int(confidence * count), count - 1)].append(
            confidence - right
        )
    return [(abs(sum(b) / len(b)), len(b)) for b in bins if b]


@pytest.mark.parametrize('count', [1, 10, 15])
def test_error_is_what_loops_compute(count):
    predictions = samples()
    found = {}
    for norm in ('l1', 'l2', 'max'):
        metric = CalibrationError(bins=count, norm=norm)
        metric.process(None, predictions[:30])
        metric.process(None, predictions[30:])
        found |= metric.evaluate(len(predictions))
    gaps = bins_of(predictions, count)
    n = len(predictions)
    assert found['calibration/ece'] == pytest.approx(
        sum(gap * size / n for gap, size in gaps), rel=1e-4
    )
    assert found['calibration/l2'] == pytest.approx(
        sum(gap**2 * size / n for gap, size in gaps) ** 0.5, rel=1e-4
    )
    assert found['calibration/max'] == pytest.approx(
        max(gap for gap, _ in gaps), rel=1e-4
    )
    mean = sum(s['pred_score'].max().item() for s in predictions) / n
    assert found['calibration/confidence'] == pytest.approx(mean)


def test_it_is_used_beside_the_accuracy_in_a_runner(tmp_path):
    run = tiny.runner(tiny.resnet(), tmp_path, val_cfg={})
    run.val_loop.evaluator = run.build_evaluator(
        [{'type': 'Accuracy'}, {'type': 'CalibrationError'}]
    )
    found = run.val()
    assert 0 <= found['calibration/ece'] <= 1
    assert 'accuracy/top1' in found


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="of \\('l1', 'l2', 'max'\\), but"):
        CalibrationError(norm='l3')
    with pytest.raises(ValueError, match='`bins` to be a positive int'):
        CalibrationError(bins=True)


def test_a_missing_torchmetrics_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr('mmnkd.registry.find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "mmnkd\[report\]"'):
        CalibrationError()
