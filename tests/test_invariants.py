"""The design's invariants, one test or more each, named by its sentence."""

import copy
import pickle

import pytest
import tiny
import torch
from mmengine.logging import MessageHub
from mmengine.registry import MODELS
from mmpretrain.models import ImageClassifier
from torch import nn

from mmnkd.teacher.packing import PackedConv2d


@MODELS.register_module()
class FeatureLoss(nn.Module):
    """A user's loss with a parameter, unknown to mmnkd, on features."""

    student_taps = ('backbone.layer1', 'backbone.layer2')
    teacher_taps = 'backbone.layer2'

    def __init__(self):
        super().__init__()
        self.project = nn.Conv2d(8, 16, 1)

    def forward(self, student, teacher, target):
        _, features = student
        return (self.project(features) - teacher).square().mean()


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A distilled student after two epochs, with EMA and a best checkpoint."""
    work_dir = tmp_path_factory.mktemp('trained')
    run = tiny.train(
        tiny.distilled(),
        work_dir,
        epochs=2,
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


def snapshot(network):
    """Copy all weights and buffers, those of packed convolutions too."""
    packed = {
        name: module.weight.to_dense()
        for name, module in network.named_modules()
        if isinstance(module, PackedConv2d)
    }
    plain = {k: v.clone() for k, v in network.state_dict().items()}
    return {**plain, **packed}


@pytest.mark.parametrize(
    'options',
    [{'mode': 'eval'}, {'accelerate': False}, {'mode': 'train'}],
    ids=str,
)
def test_teacher_is_bit_identical_after_training_in_eval_mode_only(
    options, tmp_path
):
    model = tiny.distilled(teacher_options=tiny.teacher(**options))
    run = tiny.runner(model, tmp_path)
    teacher = run.model.teacher
    teacher.build(run.model.data_preprocessor, ['logits'])
    if options == {'mode': 'eval'}:
        teacher(tiny.batch(16)[0])  # accelerates it
    before = snapshot(teacher.network)
    run.train()
    after = snapshot(teacher.network)
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    buffers = {name for name, _ in teacher.network.named_buffers()}
    if 'train' not in options.values():
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


# 6. With no distill losses, or all weights 0, training is plain mmpretrain.


@pytest.mark.parametrize(
    'keys',
    [
        {'distill_losses': {}},
        {
            'teacher': tiny.teacher(),
            'distill_losses': {
                'mine': {'type': 'Projected', 'loss_weight': 0}
            },
        },
        {
            'teacher': tiny.teacher(),
            'distill_losses': {
                'nkd': {'type': 'NKDLoss', 'loss_weight': 0},
                'tf_nkd': {'type': 'TFNKDLoss', 'loss_weight': 0.0},
            },
        },
    ],
)
@pytest.mark.parametrize('student', [tiny.resnet(), tiny.vit()])
def test_without_distillation_training_is_plain_mmpretrain_bit_for_bit(
    keys, student, tmp_path
):
    plain = tiny.train(student, tmp_path / 'a')
    config = {**student, 'type': 'DistilledClassifier', **keys}
    distilled = tiny.train(config, tmp_path / 'b')
    expected, actual = plain.model.state_dict(), distilled.model.state_dict()
    names = [name for name in actual if not name.startswith('distill_losses')]
    assert names == list(expected)
    assert all(torch.equal(actual[k], expected[k]) for k in expected)


# 7. The student's own loss is untouched, and there is one forward per step.


MIXUP = {'augments': [{'type': 'Mixup', 'alpha': 0.8}]}
HEADS = {
    'cross entropy': (tiny.resnet(), False),
    'accuracy in the log': (tiny.resnet(cal_acc=True, topk=(1, 2)), False),
    'label smoothing': (
        tiny.vit(
            loss={
                'type': 'LabelSmoothLoss',
                'label_smooth_val': 0.1,
                'mode': 'original',
            }
        ),
        True,
    ),
    'binary cross entropy': (
        tiny.resnet(loss={'type': 'CrossEntropyLoss', 'use_sigmoid': True}),
        True,
    ),
}


@pytest.mark.parametrize('name', HEADS)
def test_own_loss_is_untouched_with_one_student_forward(name):
    student, scores = HEADS[name]
    plain = tiny.build(student).eval()  # no dropout: equal forwards
    model = tiny.build(tiny.distilled(student)).eval()
    model.load_state_dict(plain.state_dict())
    calls = []
    model.backbone.register_forward_hook(lambda *args: calls.append(1))
    images, samples = tiny.batch(scores=scores)
    expected = plain.loss(images, samples)
    actual = model.loss(images, samples)
    assert len(calls) == 1
    for key, value in expected.items():
        renamed = 'loss_cls' if key == 'loss' else key
        torch.testing.assert_close(actual[renamed], value, rtol=0, atol=0)
    extra = set(actual) - set(expected) - {'loss_cls'}
    assert extra == {'loss_nkd_target', 'loss_nkd_nontarget'}


def test_own_losses_of_several_heads_are_untouched():
    student = {
        **tiny.resnet(),
        'head': {
            'type': 'MultiTaskHead',
            'task_heads': {
                'digit': {'type': 'LinearClsHead', 'num_classes': 10},
                'parity': {'type': 'LinearClsHead', 'num_classes': 2},
            },
            'in_channels': 8,
        },
    }
    plain = tiny.build(student).eval()
    losses = {'mine': {'type': 'FeatureLoss'}}
    model = tiny.build(tiny.distilled(student, losses=losses)).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    images, samples = multi_task_batch()
    expected, actual = plain.loss(images, samples), model.loss(images, samples)
    assert {'digit_loss', 'parity_loss'} <= set(expected)
    assert set(actual) - set(expected) == {'loss_mine'}
    for key, value in expected.items():
        assert torch.equal(actual[key], value)


def multi_task_batch():
    from mmpretrain.structures import DataSample, MultiTaskDataSample

    images, _ = tiny.batch()
    samples = []
    for i in range(len(images)):
        sample = MultiTaskDataSample()
        for task, label in (('digit', i), ('parity', i % 2)):
            sample.set_field(DataSample().set_gt_label(label), task)
        samples.append(sample)
    return images, samples


# 8. Total = what is logged.


def test_total_is_what_is_logged(tmp_path):
    losses = {**tiny.nkd(), 'tf': {'type': 'TFNKDLoss', 'loss_weight': 0.5}}
    model = tiny.distilled(tiny.resnet(cal_acc=True), losses=losses)
    tiny.train(
        model,
        tmp_path,
        default_hooks={'logger': {'type': 'LoggerHook', 'interval': 1}},
    )
    scalars = MessageHub.get_current_instance().log_scalars
    last = {
        key.removeprefix('train/'): buffer.current()
        for key, buffer in scalars.items()
        if key.startswith('train/')
    }
    parts = {key for key in last if 'loss' in key} - {'loss'}
    assert parts == {
        'loss_cls',
        'loss_nkd_target',
        'loss_nkd_nontarget',
        'loss_tf',
    }
    assert 'accuracy_top-1' in last
    total = sum(last[key] for key in parts)
    assert last['loss'] == pytest.approx(total, rel=1e-6)


# 9. Losses are exact and finite: see test_functional*.py.


@pytest.mark.parametrize('scale', [1.0, 1e4])
def test_distilled_step_is_finite_in_bf16_autocast(scale):
    model = tiny.build(tiny.distilled())
    with torch.no_grad():
        model.head.fc.weight.mul_(scale)
    images, samples = tiny.batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(images, samples)
    assert losses['loss_nkd_nontarget'].dtype == torch.float32
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


# 10. The wrapper knows no loss by name.


def test_wrapper_knows_no_loss_by_name(tmp_path):
    config = tiny.distilled(losses={'mine': {'type': 'FeatureLoss'}})
    run = tiny.runner(config, tmp_path)
    weight = run.model.distill_losses['mine'].project.weight
    before = weight.clone()
    run.train()
    assert not torch.equal(before, weight)
    assert 'loss_mine' in run.model.loss(*tiny.batch())
    saved = tiny.saved(tmp_path / 'epoch_1.pth')
    plain = tiny.build(tiny.resnet()).state_dict()
    assert set(saved['state_dict']) - set(plain) == {
        'distill_losses.mine.project.weight',
        'distill_losses.mine.project.bias',
    }


def test_a_pickled_student_carries_no_teacher_weights():
    model = tiny.build(tiny.distilled())
    model.init_weights()
    restored = pickle.loads(pickle.dumps(model))
    assert restored.teacher.network is None
    assert restored.loss(*tiny.batch())
