"""Trainings from stored outputs, by real Runners on tiny networks."""

import copy
import math
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from tiny import build
from tiny import teacher as live
from views import (
    cache,
    digits,
    epochs_of,
    live_model,
    loader,
    replayed,
    save_teacher,
    train,
    write_config,
)

from mmnkd.cache import CachedTeacher
from mmnkd.diagnosis.examine import examine


class Recorder(Hook):
    """Keep what a training logs."""

    def __init__(self):
        self.logged = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.logged.append({k: float(v) for k, v in outputs.items()})


def losses_of(config, folder, **changes):
    recorder = Recorder()
    runner = train(config, folder, [recorder], **changes)
    return recorder.logged, runner


def live_config(cached):
    """Return a config of the same views with the live teacher."""
    config = Config.fromfile(cached)
    base = Config.fromfile(cached.parents[1] / 'distilled.py')
    config.model.teacher = base.model.teacher
    path = cached.parents[1] / 'live.py'
    config.dump(path)
    return path


@pytest.fixture(scope='module')
def dense(tmp_path_factory):
    return cache(tmp_path_factory.mktemp('dense'))


@pytest.fixture(scope='module')
def top3(tmp_path_factory):
    return cache(tmp_path_factory.mktemp('top3'), '--topk', '3')


def test_a_dense_training_logs_what_the_live_one_logs(dense, tmp_path):
    stored, runner = losses_of(dense, tmp_path / 'a')
    expected, _ = losses_of(live_config(dense), tmp_path / 'b')
    assert runner.model.teacher.network is None
    assert len(stored) == len(expected) == 2 * 3
    for one, other in zip(stored, expected):
        assert one == pytest.approx(other, rel=2e-3)
    # The student's own loss starts from the very same views.
    assert stored[0]['loss_cls'] == expected[0]['loss_cls']


def test_a_resumed_training_ends_as_an_uninterrupted_one(dense, tmp_path):
    hooks = {'checkpoint': {'type': 'CheckpointHook'}}
    _, whole = losses_of(dense, tmp_path / 'whole', **hooks)
    losses_of(dense, tmp_path / 'part', **{**hooks, 'train_cfg.max_epochs': 1})
    _, resumed = losses_of(
        dense,
        tmp_path / 'part',
        **hooks,
        resume=True,
        **{'train_dataloader.num_workers': 2},
    )
    expected = whole.model.state_dict()
    assert all(
        torch.equal(value, expected[name])
        for name, value in resumed.model.state_dict().items()
    )


def test_gradients_are_the_live_ones_within_the_rounding(dense, tmp_path):
    base = Config.fromfile(dense.parents[1] / 'distilled.py')
    data = next(epochs_of(loader(digits(count=40), batch_size=40), 1))
    gradients = []
    for teacher in (base.model.teacher, {'cache': str(dense.parent)}):
        torch.manual_seed(0)
        model = build(
            {
                **base.model,
                'teacher': teacher,
                'data_preprocessor': base.data_preprocessor,
            }
        )
        model.init_weights()
        inputs = model.data_preprocessor(copy.deepcopy(data), True)
        sum(model.loss(**inputs).values()).backward()
        gradients.append(
            torch.cat([p.grad.flatten() for p in model.parameters()])
        )
    error = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert 0 < error < 2**-10


@pytest.mark.parametrize('kind', ['dense', 'top3'])
def test_all_losses_on_logits_train_from_both_kinds(kind, request, tmp_path):
    losses = {
        'warm': {'type': 'NKDLoss', 'temperature': 2.0},
        'kd': {'type': 'KDLoss'},
        'dkd': {'type': 'DKDLoss'},
        'dist': {'type': 'DISTLoss'},
        'wsld': {'type': 'WSLDLoss'},
        'scaled': {'type': 'NKDLoss', 'standardize': True},
    }
    changes = {f'model.distill_losses.{k}': v for k, v in losses.items()}
    config = request.getfixturevalue(kind)
    logged, _ = losses_of(config, tmp_path, **changes)
    for step in logged:
        parts = [key for key in step if key.startswith('loss_')]
        assert all(any(name in key for key in parts) for name in losses)
        assert all(math.isfinite(step[key]) for key in parts)


def test_several_stores_are_mixed_as_live_teachers_are(tmp_path):
    save_teacher(tmp_path / 'second.pth', seed=5)
    teachers = [
        live(checkpoint=str(tmp_path / name), weight=weight)
        for name, weight in (('teacher.pth', 1.0), ('second.pth', 3.0))
    ]
    model = {**live_model(tmp_path), 'teacher': teachers}
    config = write_config(tmp_path, model, epochs=1)
    cached = cache(tmp_path, config=config)
    text = cached.read_text()
    assert "fileDirname }}/1', " in text
    assert 'weight=3.0' in text
    stored, _ = losses_of(cached, tmp_path / 'a')
    expected, _ = losses_of(live_config(cached), tmp_path / 'b')
    for one, other in zip(stored, expected):
        assert one == pytest.approx(other, rel=2e-3)
    report = examine(cached, batches=1, device='cpu')
    assert report.errors == []
    assert report.signal_on == 'training'


def test_a_longer_training_wraps_round_only_when_asked(tmp_path):
    config = write_config(tmp_path, epochs=2)
    with pytest.raises(ValueError, match='at least 2 epochs'):
        cache(tmp_path, '--epochs', '1', config=config)
    wrapped = cache(tmp_path, '--epochs', '1', '--wrap', config=config)
    logged, _ = losses_of(wrapped, tmp_path / 'a')
    assert len(logged) == 2 * 3


def test_an_infinite_sampler_trains_by_passes(dense, tmp_path):
    def run(iterations):
        loop = {'by_epoch': False, 'max_iters': iterations}
        changes = {
            'train_cfg': {'_delete_': True, **loop},
            'train_dataloader.sampler.sampler.type': 'InfiniteSampler',
        }
        return losses_of(dense, tmp_path, **changes)[0]

    assert len(run(5)) == 5
    with pytest.raises(ValueError, match='Expected 3 epochs in .* has 2'):
        run(9)


def test_a_cached_teacher_is_shared_by_copies_and_pickled_unbuilt(dense):
    config = Config.fromfile(dense)
    model = build({**config.model, 'data_preprocessor': None})
    model.init_weights()
    teacher = model.teacher
    assert copy.deepcopy(model).teacher is teacher
    assert teacher.is_built
    again = pickle.loads(pickle.dumps(teacher))
    assert not again.is_built
    assert again.folder == teacher.folder
    assert 'stored in' in repr(again)
    with pytest.raises(RuntimeError, match='Expected `build'):
        again(torch.zeros(1, 3, 8, 8))


def test_a_batch_of_one_is_found(top3):
    teacher = CachedTeacher(top3.parent)
    teacher.build(torch.nn.Identity())
    sample = replayed(count=40)[1, 7]['data_samples']
    (logits,) = teacher(torch.zeros(1, 3, 8, 8), samples=[sample]).values()
    assert logits.shape == (1, 10)
    assert len(logits.unique()) in (4, 5)  # top 3, target, the rest
    sample = replayed(count=40)[9, 7]['data_samples']
    with pytest.raises(ValueError, match='but got sample 7 or epoch 9'):
        teacher(torch.zeros(1, 3, 8, 8), samples=[sample])
    with pytest.raises(ValueError, match='say which view they are'):
        teacher(torch.zeros(1, 3, 8, 8))


def test_tests_and_inference_need_no_store(dense):
    config = Config.fromfile(dense)
    model = build({**config.model, 'teacher': {'cache': 'not/there'}})
    assert model.eval()(torch.zeros(1, 3, 8, 8)).shape == (1, 10)
    with pytest.raises(FileNotFoundError, match='Run first: mmnkd cache'):
        model.init_weights()
