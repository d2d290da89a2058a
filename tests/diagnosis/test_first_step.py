"""The first training step: stops what can't teach, and tells the rest."""

import copy

import pytest
import tiny
import torch

from mmnkd.diagnosis.first_step import FirstStep

CONSTANT = 'teacher-constant'


def distilled(**keys):
    return tiny.build(tiny.distilled(**keys)).train()


def constant(folder, **keys):
    """Distill from a teacher that says the same of every image."""
    network = tiny.build(tiny.resnet(width=8))
    for parameter in network.parameters():
        parameter.data.zero_()
    path = str(folder / 'constant.pth')
    torch.save(network.state_dict(), path)
    options = tiny.teacher(checkpoint=path)
    return distilled(teacher_options=options, **keys)


def test_an_error_stops_the_first_training_step(tmp_path):
    model = constant(tmp_path)
    with pytest.raises(ValueError, match=r'\[teacher-constant\] Expected.*'):
        model.loss(*tiny.batch())


def test_a_random_teacher_with_a_head_of_zeros_trains():
    model = distilled()
    model.init_weights()
    for parameter in model.teacher.network.head.parameters():
        parameter.data.zero_()
    assert 'loss_nkd_target' in model.loss(*tiny.batch())


def test_ignored_findings_train(tmp_path):
    model = constant(tmp_path, ignore_findings=[CONSTANT])
    assert 'loss_nkd_target' in model.loss(*tiny.batch())


def test_nothing_is_looked_at_in_eval_mode_or_without_losses(tmp_path):
    model = constant(tmp_path).eval()
    model.loss(*tiny.batch())
    assert model.first_step.is_due
    plain = distilled(losses=tiny.nkd(loss_weight=0))
    plain.loss(*tiny.batch())
    assert plain.first_step.is_due


def test_values_are_looked_at_in_the_first_step_only(monkeypatch):
    model = distilled()
    model.loss(*tiny.batch())
    for method in ('begin', 'end'):
        monkeypatch.setattr(FirstStep, method, None)
    assert 'loss_nkd_target' in model.loss(*tiny.batch())


def test_the_first_step_changes_nothing():
    torch.manual_seed(0)
    model = distilled(losses={**tiny.nkd(), 'tf': {'type': 'TFNKDLoss'}})
    model.init_weights()
    other = copy.deepcopy(model)
    other.first_step.is_due = False
    states = []
    for each in (model, other):
        torch.manual_seed(1)
        losses = each.loss(*tiny.batch())
        states.append((losses, each.state_dict(), torch.get_rng_state()))
    (ours, state, numbers), (theirs, expected, others) = states
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert tiny.same(state, expected)
    assert torch.equal(numbers, others)


def test_labels_beyond_the_head_are_told_before_the_students_own_loss():
    model = distilled(losses={'tf': {'type': 'TFNKDLoss'}})
    with pytest.raises(ValueError, match=r'\[label-range\].*0 to 9.*to 11'):
        model.loss(*tiny.batch(n=12, classes=12))


def test_an_image_without_a_label_is_told_and_can_be_allowed():
    images, samples = tiny.batch(n=8)
    samples[0].set_gt_label(-100)
    with pytest.raises(ValueError, match=r'\[label-range\].*have -100.*NKD'):
        distilled().loss(images, samples)
    options = {'losses': {'kd': {'type': 'KDLoss'}}}
    model = distilled(**options, ignore_findings=['label-range'])
    losses = model.loss(images, samples)
    assert losses['loss_kd'].isfinite()
    assert losses['loss_cls'].isfinite()


def test_a_block_of_the_log_says_what_is_trained(log_text):
    losses = {**tiny.nkd(gamma=2.0), 'tf': {'type': 'TFNKDLoss'}}
    model = distilled(losses=losses, ignore_findings=['teacher-flat'])
    model.loss(*tiny.batch(n=8))
    text = log_text()
    _, _, block = text.partition('Distilling; the first batch has 8 images\n')
    lines = [line.strip() for line in block.splitlines()]
    assert lines[0].startswith('student: ResNet_CIFAR-18, 0.00 M parameters;')
    assert 'images 3x8x8 from -' in lines[0]
    assert lines[1].startswith('teacher: ResNet_CIFAR-18, 0.01 M parameters')
    assert f'hash {model.teacher.weights_hash}' in lines[1]
    assert lines[2].startswith("teacher's top-1: ")
    assert 'loss_weight=1.0, temperature=1.0, gamma=2.0' in lines[3]
    assert 'loss_nkd_target' in lines[3]
    assert lines[4].startswith('tf: TFNKDLoss(loss_weight=1.0): loss_tf ')
    assert lines[5].startswith("the student's own, weight 1.0: loss_cls ")


def test_a_runner_compares_the_classes_of_the_data_set(tmp_path):
    model = tiny.build(tiny.resnet(width=8))
    file = tmp_path / 'teacher.pth'
    meta = {'dataset_meta': {'classes': [str(9 - i) for i in range(10)]}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, file)
    teacher = tiny.teacher(checkpoint=str(file))
    config = tiny.distilled(teacher_options=teacher)
    with pytest.raises(ValueError, match=r'\[class-order\].*\[9, 8, 7'):
        tiny.train(config, tmp_path / 'wrong')
    ignoring = {**config, 'ignore_findings': ['class-order']}
    tiny.train(ignoring, tmp_path / 'ignored', images=16)


def test_a_schedule_of_epochs_stops_a_training_that_counts_iterations(
    tmp_path,
):
    schedule = {'type': 'LinearLR', 'end': 5}
    config = tiny.distilled(losses=tiny.nkd(weight_schedule=schedule))
    by_iteration = {'by_epoch': False, 'max_iters': 2}
    with pytest.raises(ValueError, match=r'\[schedule-epochs\]'):
        tiny.train(config, tmp_path, train_cfg=by_iteration)
    tiny.train(config, tmp_path, images=16)  # in one epoch it may end late


def test_the_name_of_a_loss_may_begin_with_anothers(log_text):
    losses = {**tiny.nkd(), 'nkd_hot': {'type': 'NKDLoss', 'temperature': 2.0}}
    distilled(losses=losses).loss(*tiny.batch())
    of_nkd, of_hot = (
        line for line in log_text().splitlines() if ' NKDLoss(' in line
    )
    assert 'loss_nkd_target' in of_nkd
    assert 'loss_nkd_hot' not in of_nkd
    assert 'loss_nkd_hot_target' in of_hot
