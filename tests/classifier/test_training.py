"""Distilled students in a real Runner: MixUp, EMA, compile, resume, test."""

import copy

import pytest
import tiny
import torch
from mmengine.registry import MODELS

TRAINING = {
    'mixup and cutmix': {
        'model': {
            'train_cfg': {
                'augments': [
                    {'type': 'Mixup', 'alpha': 0.8},
                    {'type': 'CutMix', 'alpha': 1.0},
                ]
            }
        }
    },
    'gradient accumulation': {
        'optim_wrapper': {
            'optimizer': {'type': 'SGD', 'lr': 0.05},
            'accumulative_counts': 3,
        }
    },
    'clipped gradients': {
        'optim_wrapper': {
            'optimizer': {'type': 'AdamW', 'lr': 0.01},
            'clip_grad': {'max_norm': 5.0},
        }
    },
    'EMA': {'custom_hooks': [{'type': 'EMAHook', 'momentum': 0.01}]},
}


@MODELS.register_module()
class Nothing(torch.nn.Module):
    """A loss that is computed, and is 0 whatever the student does."""

    def forward(self, student, teacher, target):
        assert len(student) == len(teacher) == len(target)
        return 0 * student.sum()


@pytest.mark.parametrize('name', TRAINING)
@pytest.mark.parametrize(
    'student', [tiny.resnet(), tiny.vit()], ids=['resnet', 'vit']
)
def test_training_works_as_for_the_plain_student(name, student, tmp_path):
    def trained(config, folder):
        keys = copy.deepcopy(TRAINING[name])
        config = {**config, **keys.pop('model', {})}
        run = tiny.train(config, tmp_path / folder, **keys)
        return run.model.state_dict()

    plain = trained(student, 'plain')
    nothing = tiny.distilled(student, losses={'nothing': {'type': 'Nothing'}})
    assert tiny.same(trained(nothing, 'a'), plain)
    losses = {**tiny.nkd(), 'tf': {'type': 'TFNKDLoss'}}
    distilled = trained(tiny.distilled(student, losses=losses), 'b')
    assert not tiny.same(distilled, plain)
    assert all(torch.isfinite(v.float()).all() for v in distilled.values())


@pytest.mark.skipif(
    torch.__version__.startswith('2.1.'),
    reason="torch 2.1 can't compile mmengine's stack_batch",
)
def test_runner_compiles_a_distilled_student(tmp_path):
    few = {'stages': 1}  # compiled in less time
    model = tiny.distilled(
        tiny.resnet(**few), tiny.teacher(tiny.resnet(8, **few))
    )
    eager = tiny.train(model, tmp_path / 'eager').model.state_dict()
    options = {'compile': {'backend': 'eager'}}
    compiled = tiny.train(model, tmp_path / 'compiled', **options)
    torch.testing.assert_close(
        dict(compiled.model.state_dict()), dict(eager), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    'hooks',
    [{}, {'custom_hooks': [{'type': 'EMAHook', 'momentum': 0.1}]}],
    ids=['plain', 'EMA'],
)
def test_resume_is_a_training_that_never_stopped(hooks, tmp_path):
    model = tiny.distilled(losses={**tiny.nkd(), 'tf': {'type': 'TFNKDLoss'}})
    whole = tiny.train(model, tmp_path / 'whole', epochs=2, **hooks)
    tiny.train(model, tmp_path / 'parts', epochs=1, **hooks)
    keys = {'epochs': 2, 'resume': True, **hooks}
    run = tiny.train(model, tmp_path / 'parts', **keys)
    assert run.epoch == 2
    assert tiny.same(run.model.state_dict(), whole.model.state_dict())
    losses = run.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 2 * 4


def test_test_needs_no_teacher_file(tmp_path):
    tiny.train(tiny.distilled(), tmp_path)
    missing = tiny.teacher('no/such.py', checkpoint='no/such/file.pth')
    run = tiny.runner(
        tiny.distilled(teacher_options=missing),
        tmp_path / 'test',
        load_from=str(tmp_path / 'epoch_1.pth'),
        test_cfg={},
    )
    assert 0 <= run.test()['accuracy/top1'] <= 100


@pytest.mark.parametrize(
    'loss',
    [
        {'type': 'CrossEntropyLoss', 'use_sigmoid': True},
        {'type': 'LabelSmoothLoss', 'label_smooth_val': 0.1},
    ],
    ids=['BCE', 'label smoothing'],
)
def test_labels_that_the_preprocessor_makes_one_hot_are_learned(
    loss, tmp_path
):
    losses = {**tiny.nkd(), 'tf': {'type': 'TFNKDLoss'}}
    model = tiny.distilled(tiny.resnet(loss=loss), losses=losses)
    preprocessor = {**tiny.PREPROCESSOR, 'to_onehot': True}
    run = tiny.train(model, tmp_path, data_preprocessor=preprocessor)
    logged = run.message_hub.log_scalars
    for name in ('loss_cls', 'loss_nkd_target', 'loss_tf'):
        assert torch.isfinite(torch.tensor(logged[f'train/{name}'].mean()))


def test_a_multi_label_head_with_one_label_a_sample_trains(tmp_path):
    # As in mmpretrain's resnet50_8xb32-mixup_in1k.py.
    head = {
        'type': 'MultiLabelLinearClsHead',
        'num_classes': 10,
        'in_channels': 8,
        'loss': {'type': 'CrossEntropyLoss', 'use_soft': True},
    }
    student = {**tiny.resnet(), **TRAINING['mixup and cutmix']['model']}
    student['head'] = head
    model = tiny.distilled(student, logits_tap='head.fc')
    run = tiny.train(model, tmp_path)
    assert run.message_hub.get_scalar('train/loss_nkd_target').mean() > 0
