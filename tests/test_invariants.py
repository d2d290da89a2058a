"""The design's invariants, one test or more each, named by its sentence.

1 to 5: the student, its checkpoints, and the teacher. The rest is in
test_invariants_of_training.py.
"""

import copy
import pickle

import pytest
import tiny
import torch
from mmpretrain.models import ImageClassifier
from torch import nn


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A distilled student after two epochs, with EMA and a best checkpoint."""
    work_dir = tmp_path_factory.mktemp('trained')
    run = tiny.train(
        tiny.distilled(),
        work_dir,
        epochs=2,
        val_cfg={},
        custom_hooks=[{'type': 'EMAHook', 'momentum': 0.1}],
        default_hooks={
            'checkpoint': {
                'type': 'CheckpointHook',
                'interval': 1,
                'save_best': 'auto',
            }
        },
    )
    return run, work_dir


# 1. The student is the model.


def test_student_is_the_model():
    plain, distilled = tiny.build(tiny.resnet()), tiny.build(tiny.distilled())
    assert isinstance(distilled, ImageClassifier)
    names = [name for name, _ in plain.named_parameters()]
    assert [name for name, _ in distilled.named_parameters()] == names
    distilled.load_state_dict(plain.state_dict(), strict=True)
    images, _ = tiny.batch()
    for mode in ('tensor', 'predict'):
        for model in (plain, distilled):
            model.eval()
        expected, actual = (
            plain(images, mode=mode),
            distilled(images, mode=mode),
        )
        if mode == 'predict':
            expected = torch.stack([x.pred_score for x in expected])
            actual = torch.stack([x.pred_score for x in actual])
        assert torch.equal(actual, expected)


@pytest.mark.parametrize(
    'options',
    [
        {'paramwise_cfg': {'norm_decay_mult': 0.0, 'bias_lr_mult': 2.0}},
        {
            'constructor': 'LearningRateDecayOptimWrapperConstructor',
            'paramwise_cfg': {'layer_decay_rate': 0.5},
        },
    ],
)
def test_optimizer_settings_are_those_of_the_plain_student(options, tmp_path):
    wrapper = {
        'optimizer': {'type': 'AdamW', 'lr': 0.01, 'weight_decay': 0.05},
        **options,
    }
    groups = []
    for name, model in (
        ('plain', tiny.vit()),
        ('distilled', tiny.distilled(tiny.vit(), losses=tiny.nkd())),
    ):
        run = tiny.train(model, tmp_path / name, optim_wrapper=wrapper)
        groups.append(
            [
                (group['lr'], group['weight_decay'], len(group['params']))
                for group in run.optim_wrapper.optimizer.param_groups
            ]
        )
    assert groups[0] == groups[1]
    assert len({lr for lr, _, _ in groups[0]}) > 1


# 2. Every checkpoint is a plain student checkpoint.


@tiny.needs_safe_globals
@pytest.mark.parametrize('pattern', ['epoch_1.pth', 'epoch_2.pth', 'best_*'])
@pytest.mark.parametrize('weights', ['state_dict', 'ema_state_dict'])
def test_checkpoint_is_a_plain_student_checkpoint(trained, pattern, weights):
    _, work_dir = trained
    (path,) = work_dir.glob(pattern)
    saved = tiny.saved(path)[weights]
    if weights == 'ema_state_dict':
        saved.pop('steps')
        saved = {k.replace('module.', '', 1): v for k, v in saved.items()}
    plain = tiny.build(tiny.resnet())
    assert list(saved) == list(plain.state_dict())
    plain.load_state_dict(saved, strict=True)


# 3. The teacher is not part of the model.


def test_teacher_is_not_part_of_the_model(trained):
    run, _ = trained
    model = run.model
    teacher = model.teacher
    assert teacher.network is not None
    assert not isinstance(teacher, nn.Module)
    inside = set(map(id, teacher.network.modules()))
    assert not inside & set(map(id, model.modules()))
    owned = set(map(id, teacher.network.parameters()))
    assert not owned & set(map(id, model.parameters()))
    optimized = run.optim_wrapper.optimizer.param_groups
    assert not owned & {id(p) for g in optimized for p in g['params']}
    assert not [name for name in model.state_dict() if 'teacher' in name]
    (hook,) = (h for h in run.hooks if type(h).__name__ == 'EMAHook')
    assert hook.ema_model.module.teacher is teacher
    assert copy.deepcopy(teacher) is teacher


def test_teacher_has_no_gradient_and_stays_in_eval(trained):
    run, _ = trained
    network = run.model.train().teacher.network
    assert all(p.grad is None for p in network.parameters())
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize(
    'options',
    [
        {'mode': 'eval'},
        {'accelerate': False},
        {'dtype': 'bfloat16'},
        {'mode': 'train'},
    ],
    ids=str,
)
def test_teacher_is_bit_identical_after_training_in_eval_mode_only(
    options, tmp_path
):
    model = tiny.distilled(teacher_options=tiny.teacher(**options))
    run = tiny.runner(model, tmp_path)
    run.model.teacher.build(run.model.data_preprocessor)
    before = tiny.snapshot(run.model.teacher.network)
    run.train()
    after = run.model.teacher.network.state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    buffers = {name for name, _ in run.model.teacher.network.named_buffers()}
    assert list(after) == list(before)
    if options.get('mode') != 'train':
        assert not moved
    else:  # BN statistics, and nothing else
        assert moved
        assert moved <= buffers


def test_teacher_follows_the_device_of_the_inputs():
    model = tiny.build(tiny.distilled())
    model.loss(*tiny.batch())
    images, _ = tiny.batch()
    outputs = model.to('meta').teacher(images.to('meta'))
    assert outputs['logits'].device.type == 'meta'


# 4. The teacher is built when training starts.


def test_teacher_is_built_when_training_starts_and_never_for_test(tmp_path):
    missing = tiny.teacher('no/such/config.py', checkpoint='no/such/file.pth')
    model = tiny.build(tiny.distilled(teacher_options=missing))
    images, samples = tiny.batch()
    model.eval()
    model(images, samples, mode='predict')
    model(images)
    copy.deepcopy(model)
    torch.jit.trace(model, images)
    assert model.teacher.network is None
    with pytest.raises(FileNotFoundError, match='no/such/config.py'):
        model.init_weights()
    with pytest.raises(FileNotFoundError, match='no/such/config.py'):
        model.loss(images, samples)

    model = tiny.build(tiny.distilled())
    model.init_weights()
    assert model.teacher.network is not None


def test_a_pickled_student_carries_no_teacher_weights():
    model = tiny.build(tiny.distilled())
    model.init_weights()
    restored = pickle.loads(pickle.dumps(model))
    assert restored.teacher.network is None
    assert restored.loss(*tiny.batch())


# 5. The teacher's weights match or it is an error.


def test_teacher_weights_match_or_it_is_an_error_naming_the_keys(tmp_path):
    other = tiny.build(tiny.resnet(width=8)).state_dict()
    del other['head.fc.bias']
    other['extra.weight'] = torch.zeros(1)
    torch.save(other, tmp_path / 'other.pth')
    options = tiny.teacher(checkpoint=str(tmp_path / 'other.pth'))
    model = tiny.build(tiny.distilled(teacher_options=options))
    with pytest.raises(
        ValueError, match=r'missing: head.fc.bias; unexpected: extra.weight'
    ):
        model.init_weights()


def test_teacher_weights_of_another_shape_are_an_error(tmp_path):
    torch.save(tiny.build(tiny.resnet(width=4)).state_dict(), tmp_path / 'x')
    options = tiny.teacher(checkpoint=str(tmp_path / 'x'))
    model = tiny.build(tiny.distilled(teacher_options=options))
    with pytest.raises(ValueError, match=r'backbone.conv1.weight') as caught:
        model.init_weights()
    assert 'more. Is it the checkpoint of this model?' in str(caught.value)
    assert str(caught.value).count('size mismatch') == 3


def test_no_checkpoint_and_no_explicit_none_is_an_error():
    with pytest.raises(ValueError, match=r'teacher.checkpoint`, but got none'):
        tiny.build(tiny.distilled(teacher_options={'model': tiny.resnet()}))
