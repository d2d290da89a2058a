"""The wrapper in the company it will keep: Runner, MixUp, EMA, heads, timm."""

import copy
import subprocess
import sys

import pytest
import tiny
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample

from mmnkd import (
    DistillationMixin,
    DistilledClassifier,
    DistilledHuggingFaceClassifier,
    DistilledTimmClassifier,
    DistillLoss,
)
from mmnkd.functional import nkd_loss, plain_forms
from mmnkd.classifier.losses import LossDict
from mmnkd.losses import TFNKDLoss


def test_distillation_loss_is_that_of_the_recorded_logits():
    model = tiny.build(tiny.distilled()).eval()
    images, samples = tiny.batch()
    losses = model.loss(images, samples)
    expected = nkd_loss(
        model(images), model.teacher.network(images), torch.arange(6)
    )
    actual = losses['loss_nkd_target'] + losses['loss_nkd_nontarget']
    torch.testing.assert_close(actual, expected)


def test_mixed_labels_reach_the_losses():
    model = tiny.build(tiny.distilled()).eval()
    images, samples = tiny.batch(scores=True)
    losses = model.loss(images, samples)
    expected = nkd_loss(
        model(images), model.teacher.network(images), torch.full((6,), 1)
    )
    actual = losses['loss_nkd_target'] + losses['loss_nkd_nontarget']
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize('weight', [0.0, 0.25])
def test_the_students_own_loss_can_be_weighted(weight):
    config = tiny.distilled(tiny.resnet(cal_acc=True))
    plain = tiny.build(config).eval()
    weighted = tiny.build({**config, 'student_loss_weight': weight}).eval()
    weighted.load_state_dict(plain.state_dict())
    weighted.teacher = plain.teacher
    expected = plain.loss(*tiny.batch())
    actual = weighted.loss(*tiny.batch())
    assert torch.equal(actual['loss_cls'], weight * expected['loss_cls'])
    del actual['loss_cls'], expected['loss_cls']
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_all_of_the_students_own_losses_are_weighted():
    own = {'digit_loss': torch.ones(()), 'aux_loss': [torch.ones(())] * 2}
    model = tiny.build(
        {
            **tiny.resnet(),
            'type': 'DistilledClassifier',
            'student_loss_weight': 0.5,
        }
    )
    model.head.loss = lambda *args: {**own, 'accuracy': torch.ones(())}
    log = model.loss(*tiny.batch())
    assert log['digit_loss'] == 0.5
    assert [value.item() for value in log['aux_loss']] == [0.5, 0.5]
    assert log['accuracy'] == 1


@pytest.mark.parametrize('weight', [-0.5, float('nan'), float('inf')])
def test_a_bad_weight_of_the_students_own_loss_is_refused(weight):
    config = {**tiny.distilled(), 'student_loss_weight': weight}
    with pytest.raises(ValueError, match='student_loss_weight` to be finite'):
        tiny.build(config)


def test_two_losses_of_one_name_can_not_be_written(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(
        'model = dict(distill_losses=dict('
        "nkd=dict(type='NKDLoss'), nkd=dict(type='KDLoss')))"
    )
    with pytest.raises(SyntaxError, match='repeated: nkd'):
        Config.fromfile(config)


@pytest.mark.parametrize('n', [1, 2, 7])
def test_batch_sizes_may_change(n):
    model = tiny.build(tiny.distilled(tiny.vit()))
    losses = model.loss(*tiny.batch(n))
    assert all(torch.isfinite(value) for value in losses.values())


def test_no_images_are_sent_through_an_unused_teacher():
    losses = {'tf': {'type': 'TFNKDLoss'}, **tiny.nkd(loss_weight=0)}
    model = tiny.build(tiny.distilled(losses=losses))
    model.init_weights()
    calls = []
    model.teacher.network.register_forward_hook(lambda *args: calls.append(1))
    assert set(model.loss(*tiny.batch())) == {'loss_cls', 'loss_tf'}
    assert not calls


# Through a real Runner.


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


def same(actual, expected):
    return list(actual) == list(expected) and all(
        torch.equal(actual[k], expected[k]) for k in expected
    )


@pytest.mark.parametrize('name', TRAINING)
@pytest.mark.parametrize('student', [tiny.resnet(), tiny.vit()])
def test_training_works_as_for_the_plain_student(name, student, tmp_path):
    def trained(config, folder):
        keys = copy.deepcopy(TRAINING[name])
        config = {**config, **keys.pop('model', {})}
        run = tiny.train(config, tmp_path / folder, **keys)
        return run.model.state_dict()

    plain = trained(student, 'plain')
    nothing = {'nothing': {'type': 'Nothing'}}
    assert same(trained(tiny.distilled(student, losses=nothing), 'a'), plain)
    losses = {**tiny.nkd(), 'tf': {'type': 'TFNKDLoss'}}
    distilled = trained(tiny.distilled(student, losses=losses), 'b')
    assert not same(distilled, plain)
    assert all(torch.isfinite(v.float()).all() for v in distilled.values())


def test_gradients_are_those_of_all_losses_together():
    model = tiny.build(tiny.distilled()).eval()
    images, samples = tiny.batch()
    total, _ = model.parse_losses(model.loss(images, samples))
    total.backward()
    actual = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    logits, labels = model(images), torch.arange(6)
    taught = nkd_loss(logits, model.teacher.network(images), labels)
    (torch.nn.functional.cross_entropy(logits, labels) + taught).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(actual[name], parameter.grad)


def test_gradients_of_losses_on_features_reach_the_student():
    losses = {
        'mine': {
            'type': 'SquaredDifference',
            'student_taps': 'backbone.layer1',
            'teacher_taps': 'backbone.layer1',
        }
    }
    teacher = tiny.teacher(tiny.resnet())
    model = tiny.build(tiny.distilled(None, teacher, losses)).eval()
    images, samples = tiny.batch()
    model.loss(images, samples)['loss_mine'].backward()
    actual = model.backbone.conv1.weight.grad.clone()
    model.zero_grad()

    def features(network):
        stem = network.backbone.relu(
            network.backbone.norm1(network.backbone.conv1(images))
        )
        return network.backbone.layer1(stem)

    difference = features(model) - features(model.teacher.network).detach()
    difference.square().mean().backward()
    torch.testing.assert_close(actual, model.backbone.conv1.weight.grad)
    assert model.head.fc.weight.grad is None


@MODELS.register_module()
class SquaredDifference(DistillLoss):
    """A user's loss, as CONTRIBUTING.md shows one."""

    def forward(self, student, teacher, target):
        return self.loss_weight * (student - teacher).square().mean()


def test_runner_compiles_a_distilled_student(tmp_path):
    model = tiny.distilled()
    with plain_forms():  # which torch.compile takes
        eager = tiny.train(model, tmp_path / 'eager')
    options = {'compile': {'backend': 'eager'}}
    compiled = tiny.train(model, tmp_path / 'compiled', **options)
    assert same(compiled.model.state_dict(), eager.model.state_dict())


@pytest.mark.parametrize('weight', [0.0, 1.0])
def test_losses_with_parameters_take_no_random_numbers(weight):
    losses = {'mine': {'type': 'Projected', 'loss_weight': weight}}
    torch.manual_seed(0)
    plain = tiny.build(tiny.resnet())
    plain.init_weights()
    torch.manual_seed(0)
    model = tiny.build(tiny.distilled(losses=losses))
    model.init_weights()
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    trained = model.distill_losses['mine'].project.weight.requires_grad
    assert trained == (weight != 0)


@pytest.mark.parametrize(
    'hooks', [{}, {'custom_hooks': [{'type': 'EMAHook', 'momentum': 0.1}]}]
)
def test_resume_is_a_training_that_never_stopped(hooks, tmp_path):
    model = tiny.distilled(losses={**tiny.nkd(), 'tf': {'type': 'TFNKDLoss'}})
    whole = tiny.train(model, tmp_path / 'whole', epochs=2, **hooks)
    tiny.train(model, tmp_path / 'parts', epochs=1, **hooks)
    keys = {'epochs': 2, 'resume': True, **hooks}
    run = tiny.train(model, tmp_path / 'parts', **keys)
    assert run.epoch == 2
    assert same(run.model.state_dict(), whole.model.state_dict())
    losses = run.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 2 * 4


def test_test_needs_no_teacher_file(tmp_path):
    tiny.train(tiny.distilled(), tmp_path)
    missing = tiny.teacher('no/such.py', checkpoint='no/such/file.pth')
    run = tiny.runner(
        tiny.distilled(teacher_options=missing),
        tmp_path / 'test',
        load_from=str(tmp_path / 'epoch_1.pth'),
        test_dataloader={
            'batch_size': 16,
            'dataset': {
                'type': 'Digits',
                'split': 'test',
                'indices': 32,
                'pipeline': [{'type': 'PackInputs'}],
            },
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        },
        test_evaluator={'type': 'Accuracy'},
        test_cfg={},
    )
    assert 0 <= run.test()['accuracy/top1'] <= 100


# A classifier of one's own, timm, transformers.


def test_labels_of_several_classes_are_refused_by_the_losses():
    head = {
        'type': 'MultiLabelLinearClsHead',
        'num_classes': 10,
        'in_channels': 8,
    }
    student = {**tiny.resnet(), 'head': head}
    model = tiny.build(tiny.distilled(student, logits_tap='head.fc'))
    images, samples = tiny.batch()
    for sample in samples:
        sample.set_gt_score(torch.tensor([1.0, 1, 0, 0, 1, 0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match='sums from 3.0 to 3.0'):
        model.loss(images, samples)


def test_own_classifier_takes_one_line():
    @MODELS.register_module(force=True)
    class MyClassifier(ImageClassifier):
        def loss(self, inputs, data_samples):
            losses = super().loss(inputs, data_samples)
            return {**losses, 'loss_mine': losses['loss'] * 0.1}

    @MODELS.register_module(force=True)
    class DistilledMine(DistillationMixin, MyClassifier):
        pass

    model = tiny.build({**tiny.distilled(), 'type': 'DistilledMine'})
    assert {'loss_cls', 'loss_mine', 'loss_nkd_target'} < set(
        model.loss(*tiny.batch())
    )


def timm_config(**keys):
    return {
        'type': 'TimmClassifier',
        'model_name': 'resnet10t',
        'num_classes': 10,
        **keys,
    }


@pytest.fixture
def hugging_face(tmp_path):
    """Make the folder of a tiny transformers model: its config, no weights."""
    transformers = pytest.importorskip('transformers')
    transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=16,
        num_labels=10,
    ).save_pretrained(tmp_path / 'vit')
    return {
        'type': 'HuggingFaceClassifier',
        'model_name': str(tmp_path / 'vit'),
    }


def check_classifier(plain_config, kind, images):
    """Distil a classifier from one of its kind, and load what it saved."""
    plain = tiny.build(plain_config)
    model = tiny.build(
        {
            **plain_config,
            'type': f'Distilled{plain_config["type"]}',
            'teacher': {'model': plain_config, 'checkpoint': None},
            'distill_losses': {**tiny.nkd(), 'mine': {'type': 'Projected'}},
        }
    )
    assert isinstance(model, kind)
    losses = model.loss(*images)
    model.parse_losses(losses)[0].backward()
    assert {'loss_cls', 'loss_nkd_target', 'loss_mine'} <= set(losses)
    saved = model.state_dict()
    assert set(saved) - set(plain.state_dict()) == {
        'distill_losses.mine.project.weight',
        'distill_losses.mine.project.bias',
    }
    copy.deepcopy(model).load_state_dict(saved, strict=True)
    student = {k: v for k, v in saved.items() if 'distill_losses' not in k}
    plain.load_state_dict(student, strict=True)
    with torch.no_grad():
        expected, actual = plain.eval()(images[0]), model.eval()(images[0])
    assert torch.equal(actual, expected)


def test_timm_students_and_teachers():
    pytest.importorskip('timm')
    images = tiny.batch(size=32)
    check_classifier(timm_config(), DistilledTimmClassifier, images)


def test_hugging_face_students_and_teachers(hugging_face):
    images = tiny.batch(size=32)
    check_classifier(hugging_face, DistilledHuggingFaceClassifier, images)


def test_mmpretrain_student_learns_from_a_timm_teacher(tmp_path):
    pytest.importorskip('timm')
    weights = tiny.build(timm_config()).state_dict()  # names as timm has them
    assert 'conv1.0.weight' in weights
    torch.save(weights, tmp_path / 'timm.pth')
    options = {
        'model': timm_config(),
        'checkpoint': str(tmp_path / 'timm.pth'),
    }
    model = tiny.build(tiny.distilled(teacher_options=options))
    losses = model.loss(*tiny.batch(size=32))
    assert torch.isfinite(losses['loss_nkd_target'])


@pytest.mark.parametrize(
    ('package', 'kind'),
    [('timm', 'Timm'), ('transformers', 'HuggingFace')],
)
def test_classes_say_what_to_install_for_timm_and_transformers(package, kind):
    code = (
        'import importlib, functools\n'
        'def hide(metadata, real, name):\n'
        f'    if name != {package!r}: return real(name)\n'
        '    raise metadata.PackageNotFoundError(name)\n'
        'for name in ("importlib.metadata", "importlib_metadata"):\n'
        '    try: m = importlib.import_module(name)\n'
        '    except ImportError: continue\n'
        '    m.distribution = functools.partial(hide, m, m.distribution)\n'
        f'import mmnkd; mmnkd.Distilled{kind}Classifier(model_name="x")'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert result.returncode
    assert f'ImportError: {kind}Classifier requires' in result.stderr
    assert f'pip install "{package}"' in result.stderr


# Bad input.


def conformer():
    return {
        'type': 'ConformerHead',
        'in_channels': [8, 8],
        'num_classes': 10,
    }


def test_head_of_tuples_says_which_tap_to_name():
    @MODELS.register_module(force=True)
    class TwoHeads(MODELS.get('mmpretrain.ConformerHead')):
        def pre_logits(self, feats):
            return feats[-1], feats[-1]

    student = {**tiny.resnet(), 'head': {**conformer(), 'type': 'TwoHeads'}}
    model = tiny.build(tiny.distilled(student))
    message = r"`head`, a TwoHeads, puts out a tuple of 2.* logits_tap='head"
    with pytest.raises(ValueError, match=message):
        model.loss(*tiny.batch())
    named = tiny.distilled(student, logits_tap='head.conv_cls_head')
    assert tiny.build(named).loss(*tiny.batch())['loss_nkd_target'] > 0

    as_teacher = tiny.distilled(teacher_options=tiny.teacher(student))
    message = r"tuple of 2.*teacher=dict\(logits_tap='head.trans_cls_head'\)"
    with pytest.raises(ValueError, match=message):
        tiny.build(as_teacher).loss(*tiny.batch())
    options = tiny.teacher(student, logits_tap='head.trans_cls_head')
    named = tiny.build(tiny.distilled(teacher_options=options))
    assert named.loss(*tiny.batch())['loss_nkd_target'] > 0


def test_multi_label_head_says_which_tap_to_name():
    head = {
        'type': 'MultiLabelLinearClsHead',
        'num_classes': 10,
        'in_channels': 8,
    }
    student = {**tiny.resnet(), 'head': head}
    message = r"several labels a sample.*logits_tap='head.fc'"
    with pytest.raises(ValueError, match=message):
        tiny.build(tiny.distilled(student))


def test_margin_head_says_which_tap_to_name():
    head = {'type': 'ArcFaceClsHead', 'num_classes': 10, 'in_channels': 8}
    student = {**tiny.resnet(), 'head': head}
    message = r"a margin.*logits_tap='head.norm_product'.*scale"
    with pytest.raises(ValueError, match=message):
        tiny.build(tiny.distilled(student))
    named = tiny.distilled(student, logits_tap='head.norm_product')
    model = tiny.build(named)
    assert model.loss(*tiny.batch())['loss_nkd_target'] > 0


def test_head_with_feature_maps_says_what_came():
    student = {**tiny.resnet(), 'neck': None, 'head': {'type': 'ClsHead'}}
    model = tiny.build(tiny.distilled(teacher_options=tiny.teacher(student)))
    with pytest.raises(ValueError, match=r'tensor of shape \(6, 8, 4, 4\)'):
        model.loss(*tiny.batch())


def test_a_teacher_of_several_tasks_says_what_came():
    head = {
        'type': 'MultiTaskHead',
        'task_heads': {'a': {'type': 'LinearClsHead', 'num_classes': 10}},
        'in_channels': 8,
    }
    options = tiny.teacher({**tiny.resnet(), 'head': head})
    model = tiny.build(tiny.distilled(teacher_options=options))
    with pytest.raises(ValueError, match=r"dict.*'head.task_heads.a.fc'"):
        model.loss(*tiny.batch())


def test_a_student_without_head_is_an_error():
    student = {**tiny.resnet(), 'head': None}
    with pytest.raises(
        ValueError, match="student DistilledClassifier.*'head'"
    ):
        tiny.build(tiny.distilled(student))


def test_other_class_counts_name_both_and_the_option():
    options = tiny.teacher(tiny.resnet(classes=12))
    model = tiny.build(tiny.distilled(teacher_options=options))
    message = r'student has 10 and the teacher 12.*class_indices=\[\.\.\.\]'
    with pytest.raises(ValueError, match=message):
        model.loss(*tiny.batch())


def test_too_few_class_indices_are_an_error():
    options = tiny.teacher(class_indices=[0, 1, 2])
    model = tiny.build(tiny.distilled(teacher_options=options))
    message = r'student has 10 and the teacher 3, or as many `class_indices`'
    with pytest.raises(ValueError, match=message):
        model.loss(*tiny.batch())


def test_a_teacher_without_checkpoint_is_a_warning(log_text):
    model = tiny.build(tiny.distilled())
    model.init_weights()
    assert 'WARNING - The teacher has no `checkpoint`' in log_text()


def test_a_loss_that_needs_a_teacher_without_one_is_an_error():
    losses = {'tf': {'type': 'TFNKDLoss'}, **tiny.nkd()}
    config = {**tiny.resnet(), 'distill_losses': losses}
    with pytest.raises(ValueError, match=r"Expected a `teacher`.*\['nkd'\]"):
        tiny.build({**config, 'type': 'DistilledClassifier'})


@pytest.mark.parametrize(
    ('losses', 'reason'),
    [
        ({'tf': {'type': 'TFNKDLoss'}}, "['tf'] reads it"),
        ({}, 'nothing is distilled'),
    ],
)
def test_an_unused_teacher_is_a_warning(losses, reason, log_text):
    model = tiny.build({**tiny.distilled(), 'distill_losses': losses})
    model.init_weights()
    assert model.teacher.network is None
    assert 'WARNING - The `teacher` will not be built' in log_text()
    assert reason in log_text()


@pytest.mark.parametrize(
    ('losses', 'taken'),
    [
        ({'cls': {'type': 'TFNKDLoss'}}, 'loss_cls'),
        (
            {**tiny.nkd(), 'nkd_target': {'type': 'TFNKDLoss'}},
            'loss_nkd_target',
        ),
    ],
)
def test_no_term_takes_the_name_of_another_in_the_log(losses, taken):
    model = tiny.build(tiny.distilled(losses=losses))
    with pytest.raises(ValueError, match=rf"\['{taken}'\] came twice"):
        model.loss(*tiny.batch())


@pytest.mark.parametrize(
    ('losses', 'error', 'message'),
    [
        ({'type': 'NKDLoss'}, TypeError, "module with a name.*type='NKDLoss'"),
        ([{'type': 'NKDLoss'}], TypeError, 'losses by name.*but got list'),
        ({'a.b': {'type': 'NKDLoss'}}, ValueError, "identifiers.*'a.b'"),
        ({'keys': {'type': 'NKDLoss'}}, ValueError, "ModuleDict.*'keys'"),
        ({'training': {'type': 'NKDLoss'}}, ValueError, "'training'"),
    ],
)
def test_losses_of_the_wrong_form_are_refused(losses, error, message):
    with pytest.raises(error, match=message):
        LossDict(losses)


class Deaf(DistillLoss):
    """A user's class whose arguments aren't mmnkd's to check."""

    def __init__(self, **kwargs):
        super().__init__()


@pytest.mark.parametrize(
    ('loss', 'known'),
    [
        ({'type': 'NKDLoss'}, "'gamma'.*'loss_weight'.*'temperature'"),
        ({'type': TFNKDLoss}, "TFNKDLoss, .'loss_weight', 'reduction'"),
        ({'type': 'MGDLoss'}, "'mask_ratio'.*'student_taps'"),
    ],
)
def test_unknown_arguments_of_losses_list_the_known_ones(loss, known):
    losses = {'mine': {**loss, 'temprature': 4.0}}
    with pytest.raises(
        TypeError, match=f"`distill_losses.mine`.*{known}.*'temprature'"
    ):
        LossDict(losses)


def test_missing_arguments_of_losses_are_named():
    message = r"`distill_losses.uskd`.*USKDLoss.*missing: \['student_taps'\]"
    with pytest.raises(TypeError, match=message):
        LossDict({'uskd': {'type': 'USKDLoss'}})


def test_bad_settings_of_losses_name_the_loss():
    losses = {'a': {'type': 'KDLoss'}, 'b': {'type': 'KDLoss'}}
    losses['b']['temperature'] = 0
    with pytest.raises(ValueError, match='`distill_losses.b`.*temperature'):
        LossDict(losses)


def test_unknown_types_of_losses_name_the_nearest():
    with pytest.raises(ValueError, match="'NDKLoss'.*Nearest: .'NKDLoss'"):
        LossDict({'nkd': {'type': 'NDKLoss'}})
    with pytest.raises(ValueError, match='but got None.*custom_imports'):
        LossDict({'nkd': {'temperature': 4}})


def test_unknown_arguments_of_the_model_list_the_known_ones():
    config = {**tiny.distilled(), 'student_loss_wieght': 0.5}
    message = "`model`.*'student_loss_weight'.*unknown: .'student_loss_wieg"
    with pytest.raises(TypeError, match=message):
        tiny.build(config)


class Mine(DistilledClassifier):
    """A user's class with arguments of its own."""

    def __init__(self, width, distill_losses=None):
        super().__init__(**plain_parts(width), distill_losses=distill_losses)


def plain_parts(width=4):
    parts = tiny.resnet(width)
    del parts['type']
    return parts


def test_classifiers_are_built_in_python_too():
    losses = {'tf': {'type': 'TFNKDLoss'}}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for model in (
            Mine(4, losses),
            Mine(width=4, distill_losses=losses),
            DistilledClassifier(
                *plain_parts().values(), distill_losses=losses
            ),
        ):
            assert 'loss_tf' in model.loss(*tiny.batch())
        with pytest.raises(TypeError, match=r"missing: \['backbone'\]"):
            DistilledClassifier(neck=None, head=None)


def test_images_may_be_what_the_classifier_takes():
    class Views(DistilledClassifier):
        def loss(self, inputs, data_samples):
            return super().loss(inputs, data_samples)

        def extract_feat(self, inputs, stage='neck'):
            return super().extract_feat(inputs[0], stage)

    losses = {'tf': {'type': 'TFNKDLoss'}}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = Views(**plain_parts(), distill_losses=losses)
    images, samples = tiny.batch()
    assert 'loss_tf' in model.loss([images, images], samples)


def test_arguments_of_classes_that_take_any_are_not_checked():
    assert isinstance(LossDict({'a': {'type': Deaf, 'x': 1}})['a'], Deaf)


@pytest.mark.parametrize('form', [dict, lambda **x: [x, x]])
def test_unknown_arguments_of_teachers_list_the_known_ones(form):
    options = form(**tiny.teacher(ckpt='x.pth'))
    message = r"`teacher(.0.)?`.*FrozenTeacher, \[.*'checkpoint', .*\['ckpt'\]"
    with pytest.raises(TypeError, match=message):
        tiny.build(tiny.distilled(teacher_options=options))


def test_a_loss_that_returns_no_tensor_is_an_error():
    model = tiny.build(tiny.distilled())
    model.distill_losses['nkd'].forward = lambda *args: (1.0, 2.0)
    with pytest.raises(TypeError, match="loss 'nkd' to return.*got tuple"):
        model.loss(*tiny.batch())


def test_a_teacher_of_the_wrong_form_is_refused():
    config = {**tiny.distilled(), 'teacher': 'resnet34_8xb32_in1k'}
    with pytest.raises(TypeError, match=r"dict\(model=.*got 'resnet34_8xb32"):
        tiny.build(config)


def test_unknown_taps_are_found_before_training():
    losses = tiny.nkd(student_taps='backbone.layer9')
    with pytest.raises(ValueError, match=r"student.*'backbone.layer9'"):
        tiny.build(tiny.distilled(losses=losses))
    model = tiny.build(tiny.distilled(losses=tiny.nkd(teacher_taps='neck2')))
    with pytest.raises(ValueError, match=r"teacher ImageClassifier.*'neck2'"):
        model.init_weights()


def test_samples_without_labels_are_an_error():
    model = tiny.build(tiny.distilled(losses={'tf': {'type': 'TFNKDLoss'}}))
    model.head.loss = lambda feats, samples: {'loss': model.head(feats).sum()}
    images, _ = tiny.batch()
    with pytest.raises(TypeError, match='target` to be a tensor.*NoneType'):
        model.loss(images, [DataSample()] * 6)
