"""WKDLoss: where its cost between classes comes from."""

import pytest
import tiny
import torch
from on_logits import ENTROPY, STUDENT, TARGET, TEACHER, WKD, total
from safetensors.torch import save_file

from mmnkd import functional
from mmnkd.losses import WKDLoss


def test_the_cost_of_the_teachers_classifier_is_read_by_a_tap():
    weight = torch.randn(7, 4)
    module = WKDLoss(**{**WKD, 'cost': 'classifier'}, sharpen=2.0)
    assert module.teacher_taps == ('logits', 'head.fc.weight')
    cost = functional.classifier_cost(weight, sharpen=2.0)
    expected = functional.wkd_loss(
        STUDENT, TEACHER, TARGET, **{**WKD, 'cost': cost}
    )
    actual = module(STUDENT, (TEACHER, weight), TARGET)
    torch.testing.assert_close(total(actual), expected)


def test_weights_of_samples_go_with_the_cost_of_a_classifier():
    settings = {**WKD, 'cost': 'classifier', 'sample_weight': ENTROPY}
    module = WKDLoss(**settings, reduction='none')
    plain = WKDLoss(**{**settings, 'sample_weight': None}, reduction='none')
    outputs = STUDENT, (TEACHER, torch.randn(7, 4)), TARGET
    weight = functional.entropy_weight(STUDENT, TEACHER, temperature=2.0)
    torch.testing.assert_close(
        total(module(*outputs)), weight * total(plain(*outputs))
    )


def model_with_cost(teacher_head):
    loss = {'type': 'WKDLoss', **WKD, 'cost': 'classifier'}
    loss['teacher_head'] = teacher_head
    return tiny.build(tiny.distilled(losses={'wkd': loss}))


def test_a_model_trains_with_the_cost_of_its_teachers_classifier():
    model = model_with_cost('head.fc')
    logged = model.loss(*tiny.batch())
    assert {'loss_wkd_target', 'loss_wkd_transport'} < set(logged)
    assert all(torch.isfinite(value).all() for value in logged.values())


def test_a_tap_of_no_classifier_is_refused():
    model = model_with_cost('head.layers.head')
    with pytest.raises(ValueError, match=r"got 'head\.layers\.head\.weight'"):
        model.loss(*tiny.batch())


def write(folder, **tensors):
    save_file(tensors, folder / 'cost.safetensors')
    return folder / 'cost.safetensors'


def test_a_cost_is_read_from_a_file_when_training_starts(tmp_path):
    module = WKDLoss(**{**WKD, 'cost': tmp_path / 'cost.safetensors'})
    with pytest.raises(FileNotFoundError, match=r'file with a cost.*none at'):
        module(STUDENT, TEACHER, TARGET)
    cost = torch.rand(7, 7)
    write(tmp_path, cost=cost)
    expected = functional.wkd_loss(
        STUDENT, TEACHER, TARGET, **{**WKD, 'cost': cost}
    )
    for _ in range(2):
        actual = module(STUDENT, TEACHER, TARGET)
        torch.testing.assert_close(total(actual), expected)
    assert not module.state_dict()


@pytest.mark.parametrize(
    ('tensors', 'message'),
    [
        ({'c': torch.rand(7, 7)}, "tensor `cost`.*'cost'"),
        ({'cost': torch.rand(7, 7) - 1}, 'at least 0'),
        ({'cost': torch.rand(7, 6)}, r'got \(7, 6\)'),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, tensors, message):
    module = WKDLoss(**{**WKD, 'cost': write(tmp_path, **tensors)})
    with pytest.raises(ValueError, match=message):
        module(STUDENT, TEACHER, TARGET)


def test_a_broken_file_is_refused(tmp_path):
    file = tmp_path / 'cost.safetensors'
    file.write_bytes(b'no tensors')
    with pytest.raises(ValueError, match=r'Expected .*cost\.safetensors'):
        WKDLoss(**{**WKD, 'cost': file})(STUDENT, TEACHER, TARGET)


def test_a_cost_of_other_classes_is_refused(tmp_path):
    file = write(tmp_path, cost=torch.rand(4, 4))
    with pytest.raises(ValueError, match=r'shape \(7, 7\).*got \(4, 4\)'):
        WKDLoss(**{**WKD, 'cost': file})(STUDENT, TEACHER, TARGET)


def test_gamma_follows_its_schedule_the_target_term_does_not(tmp_path):
    schedule = {'type': 'CosineAnnealingLR', 'T_max': 4}
    wkd = {'type': 'WKDLoss', **WKD, 'gamma_schedule': schedule}
    run = tiny.runner(tiny.distilled(losses={'wkd': wkd}), tmp_path, epochs=3)
    gammas = []
    compute = run.model.distill_losses.compute

    def watched(*outputs):
        logged = compute(*outputs)
        gammas.append(logged['gamma_wkd'].item())
        return logged

    run.model.distill_losses.compute = watched
    run.train()
    per_epoch = len(gammas) // 3
    expected = [3.0, 3.0 * (1 + 0.5**0.5) / 2, 1.5]
    assert gammas[::per_epoch] == pytest.approx(expected)
