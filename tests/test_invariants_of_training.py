"""The design's invariants 6 to 10, of a training and its losses."""

import pytest
import tiny
import torch
from mmengine.logging import MessageHub
from mmpretrain.structures import DataSample, MultiTaskDataSample

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
    losses = {'mine': {'type': 'FeatureProjected'}}
    model = tiny.build(tiny.distilled(student, losses=losses)).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    images, samples = multi_task_batch()
    expected, actual = plain.loss(images, samples), model.loss(images, samples)
    assert {'digit_loss', 'parity_loss'} <= set(expected)
    assert set(actual) - set(expected) == {'loss_mine'}
    for key, value in expected.items():
        assert torch.equal(actual[key], value)


def multi_task_batch():
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


# 9. Losses are exact and finite: see functional/ for the functions.


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


@tiny.needs_safe_globals
def test_wrapper_knows_no_loss_by_name(tmp_path):
    config = tiny.distilled(losses={'mine': {'type': 'FeatureProjected'}})
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
