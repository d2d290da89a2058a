"""Weights that follow a schedule, inside a Runner and out of it."""

import copy
import json
import pickle
import time

import pytest
import tiny
import torch
from mmengine.logging import MessageHub

from mmnkd.losses import NKDLoss
from mmnkd.losses.schedule import WeightSchedule

WARM_UP = {'type': 'LinearLR', 'start_factor': 0.25, 'end': 4}
STEPS = {'type': 'MultiStepLR', 'milestones': [2, 3], 'gamma': 0.1}


@pytest.fixture
def runner_at():
    """Return a function that tells how far a training is."""
    hub = MessageHub.get_instance(f'schedule_{time.time_ns()}')

    def at(epoch, iteration=0, **more):
        stage = {'loop_stage': 'train'}
        info = {'epoch': epoch, 'iter': iteration, **stage, **more}
        hub.update_info_dict(info)

    at(0)
    return at


def factors(schedule, runner_at, epochs):
    result = []
    for epoch in epochs:
        runner_at(epoch)
        result.append(schedule.factor())
    return result


def test_dkd_warms_up_over_epochs_as_its_authors_code_does(runner_at):
    config = {'type': 'LinearLR', 'start_factor': 1 / 20, 'end': 20}
    actual = factors(WeightSchedule(config), runner_at, range(25))
    expected = [min((epoch + 1) / 20, 1) for epoch in range(25)]
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize(
    'configs',
    [
        WARM_UP,
        STEPS,
        [WARM_UP, STEPS],
        {'type': 'CosineAnnealingLR', 'eta_min': 0.1},
        {'type': 'LinearLR', 'start_factor': 1.0, 'end_factor': 0.2},
        {'type': 'PolyLR', 'power': 2, 'by_epoch': False},
        {'type': 'CosineAnnealingLR', 'convert_to_iter_based': True},
    ],
)
def test_factors_are_the_learning_rates_of_a_runner(configs, tmp_path):
    run = tiny.runner(
        tiny.resnet(),
        tmp_path,
        epochs=6,
        param_scheduler=configs,
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 1.0}},
    )
    schedule, rates, factors = WeightSchedule(configs), [], []
    schedule.factor()  # before the training it knows of no end

    def loss(*args):
        rates.append(run.optim_wrapper.param_groups[0]['lr'])
        factors.append(schedule.factor())
        return {'loss': run.model.head.fc.weight.sum() * 0}

    run.model.loss = loss
    run.train()
    assert len(rates) == 24
    assert factors == pytest.approx(rates)
    assert len(set(rates)) > 1


def test_a_resumed_or_repeated_training_has_the_factor_of_its_epoch(runner_at):
    schedule = WeightSchedule(STEPS)
    assert factors(schedule, runner_at, [3, 0, 2, 2]) == pytest.approx(
        [0.01, 1, 0.1, 0.1]
    )
    for copied in (
        copy.deepcopy(schedule),
        pickle.loads(pickle.dumps(schedule)),
    ):
        assert copied.factor() == pytest.approx(0.1)


def test_without_a_runner_that_trains_it_is_the_first_factor(runner_at):
    schedule = WeightSchedule(WARM_UP)
    runner_at(epoch=3)
    assert schedule.factor() == 1
    MessageHub.get_current_instance().pop_info('loop_stage')
    assert schedule.factor() == 0.25


@pytest.mark.parametrize(
    ('config', 'error', 'message'),
    [
        (0.5, TypeError, 'scheduler or a list of them.*but got 0.5'),
        ([], TypeError, r'but got \[\]'),
        (['LinearLR'], TypeError, 'LinearLR'),
        ({'type': 'NoSuchLR'}, ValueError, 'NoSuchLR'),
        ({'type': 'LinearLR', 'stop': 3}, ValueError, 'stop'),
        ({**WARM_UP, 'end': 0}, ValueError, 'end should be larger'),
        ({'type': 'LinearLR', 'start_factor': 0.0}, ValueError, 'leave 0'),
        ({'type': 'ConstantLR', 'factor': 0.0, 'end': 3}, ValueError, '0.001'),
        ({**STEPS, 'gamma': -1.0}, ValueError, 'factor.*at least 0.*got -1'),
        ({'type': 'LinearMomentum'}, ValueError, 'LinearMomentum does not'),
        (
            {'type': 'ReduceOnPlateauLR', 'monitor': 'loss'},
            ValueError,
            'ReduceOnPlateauLR does not',
        ),
    ],
)
def test_schedules_that_can_not_be_built_are_refused(config, error, message):
    with pytest.raises(error, match=message):
        NKDLoss(weight_schedule=config)


def logged(run_dir, name):
    """Return a value of each iteration from the log of a training."""
    path = next(run_dir.rglob('scalars.json'))
    lines = map(json.loads, path.read_text().splitlines())
    return [line[name] for line in lines if name in line]


LOG_ALL = {
    'default_hooks': {'logger': {'type': 'LoggerHook', 'interval': 1}},
    'log_processor': {'window_size': 1},
}


def test_losses_of_a_training_follow_their_schedules(tmp_path):
    model = tiny.distilled(
        losses={
            'plain': {'type': 'NKDLoss', 'gamma': 0.0},
            'eased': {
                'type': 'NKDLoss',
                'gamma': 0.0,
                'loss_weight': 2.0,
                'weight_schedule': {**WARM_UP, 'by_epoch': False},
            },
        },
        student_loss_weight=0.5,
        student_loss_schedule=STEPS,
    )
    tiny.train(model, tmp_path, epochs=3, **LOG_ALL)
    weights = logged(tmp_path, 'weight_eased')
    assert weights == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 9)
    plain = logged(tmp_path, 'loss_plain_target')
    eased = logged(tmp_path, 'loss_eased_target')
    expected = [2 * w * value for w, value in zip(weights, plain)]
    assert eased == pytest.approx(expected, rel=1e-5)
    own = logged(tmp_path, 'weight_student')
    assert own == pytest.approx([1.0] * 8 + [0.1] * 4)


def test_a_resumed_training_goes_on_with_its_schedule(tmp_path):
    model = tiny.distilled(losses=tiny.nkd(weight_schedule=WARM_UP))
    whole = tiny.train(model, tmp_path / 'whole', epochs=3)
    tiny.train(model, tmp_path / 'stopped', epochs=2)
    resumed = tiny.train(model, tmp_path / 'stopped', epochs=3, resume=True)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters()):
        assert torch.equal(a, b)
