"""A training step of a distilled classifier, and what stops it in time."""

import pytest
import tiny
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from mmnkd import DistillLoss
from mmnkd.functional import nkd_loss

MGD = {
    'type': 'MGDLoss',
    'student_taps': 'backbone.layer2',
    'teacher_taps': 'backbone.layer2',
}
TF = {'tf': {'type': 'TFNKDLoss'}}


@pytest.mark.parametrize('scores', [False, True])
def test_distillation_loss_is_that_of_the_recorded_logits(scores):
    model = tiny.build(tiny.distilled()).eval()
    images, samples = tiny.batch(scores=scores)
    losses = model.loss(images, samples)
    target = torch.full((6,), 1) if scores else torch.arange(6)
    expected = nkd_loss(model(images), model.teacher.network(images), target)
    actual = losses['loss_nkd_target'] + losses['loss_nkd_nontarget']
    torch.testing.assert_close(actual, expected)


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


@MODELS.register_module()
class SquaredDifference(DistillLoss):
    """A user's loss, as CONTRIBUTING.md shows one."""

    def forward(self, student, teacher, target):
        return self.loss_weight * (student - teacher).square().mean()


def test_gradients_of_losses_on_features_reach_the_student():
    tap = 'backbone.layer1'
    taps = {'student_taps': tap, 'teacher_taps': tap}
    losses = {'mine': {'type': 'SquaredDifference', **taps}}
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


def test_losses_are_computed_in_inference_mode_too():
    losses = {**tiny.nkd(), 'mine': {'type': 'FeatureProjected'}}
    model = tiny.build(tiny.distilled(losses=losses)).eval()
    expected = model.loss(*tiny.batch())
    with torch.inference_mode():
        actual = model.loss(*tiny.batch())
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value.detach())


# The student's own loss.


@pytest.mark.parametrize('weight', [0.0, 0.25])
def test_the_students_own_loss_can_be_weighted(weight):
    config = tiny.distilled(tiny.resnet(cal_acc=True))
    plain = tiny.build(config).eval()
    weighted = tiny.build({**config, 'student_loss_weight': weight}).eval()
    weighted.load_state_dict(plain.state_dict())
    weighted.teacher = plain.teacher
    expected = plain.loss(*tiny.batch())
    actual = weighted.loss(*tiny.batch())
    expected['loss_cls'] = weight * expected['loss_cls']
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_all_of_the_students_own_losses_are_weighted():
    own = {'digit_loss': torch.ones(()), 'aux_loss': [torch.ones(())] * 2}
    config = {**tiny.resnet(), 'type': 'DistilledClassifier'}
    model = tiny.build({**config, 'student_loss_weight': 0.5})
    model.head.loss = lambda *args: {**own, 'accuracy': torch.ones(())}
    log = model.loss(*tiny.batch())
    assert log['digit_loss'] == 0.5
    assert [value.item() for value in log['aux_loss']] == [0.5, 0.5]
    assert log['accuracy'] == 1


# The teacher: built when it is needed.


def test_no_images_are_sent_through_an_unused_teacher():
    losses = {**TF, **tiny.nkd(loss_weight=0)}
    model = tiny.build(tiny.distilled(losses=losses))
    model.init_weights()
    assert set(model.loss(*tiny.batch())) == {'loss_cls', 'loss_tf'}
    assert model.teacher.network is None


@pytest.mark.parametrize(
    ('losses', 'reason'), [(TF, "['tf'] reads it"), ({}, 'is distilled')]
)
def test_an_unused_teacher_is_a_warning(losses, reason, log_text):
    tiny.build({**tiny.distilled(), 'distill_losses': losses})
    assert 'WARNING - The `teacher` will not be built' in log_text()
    assert reason in log_text()


def test_a_missing_teacher_config_stops_training_not_testing():
    missing = tiny.teacher('no/such/config.py', checkpoint='no/such.pth')
    model = tiny.build(tiny.distilled(None, missing, {'mgd': MGD}))
    images, samples = tiny.batch()
    model.eval()(images, samples, mode='predict')
    with pytest.raises(FileNotFoundError, match='no/such/config.py'):
        model.init_weights()


@pytest.mark.parametrize('begin', ['init_weights', 'loss'])
def test_a_teacher_config_that_comes_too_late_is_told(begin, tmp_path):
    config = tmp_path / 'teacher.py'
    distilled = tiny.distilled(None, tiny.teacher(config), {'mgd': MGD})
    model = tiny.build(distilled)
    Config({'model': tiny.resnet(8)}).dump(config)
    message = r"config when the model was built.*\['mgd'\].*Start again"
    arguments = tiny.batch() if begin == 'loss' else ()
    with pytest.raises(RuntimeError, match=message):
        getattr(model, begin)(*arguments)
    with pytest.raises(RuntimeError, match=message):  # caught, and again
        model.eval().loss(*tiny.batch())
    again = tiny.build(distilled)
    getattr(again, begin)(*arguments)
    assert list(again.distill_losses.parameters())


# Parameters of losses, and random numbers.


@pytest.mark.parametrize(
    'losses',
    [
        {'mine': {'type': 'Projected', 'loss_weight': 0.0}},
        {'mine': {'type': 'Projected', 'loss_weight': 1.0}},
        {'mgd': MGD},
    ],
    ids=['off', 'declared', 'measured'],
)
def test_losses_with_parameters_take_no_random_numbers(losses):
    def built(config):
        torch.manual_seed(0)
        model = tiny.build(config)
        model.init_weights()
        return model.state_dict(), torch.get_rng_state()

    plain, expected = built(tiny.resnet())
    state, actual = built(tiny.distilled(losses=losses))
    assert torch.equal(actual, expected)
    assert all(torch.equal(state[name], plain[name]) for name in plain)


def test_an_init_cfg_of_the_student_leaves_the_losses_alone():
    init = {'type': 'TruncNormal', 'layer': ['Linear', 'Conv2d'], 'std': 9.0}
    student, tap = {**tiny.vit(), 'init_cfg': init}, 'backbone.ln1'
    mgd = {**MGD, 'student_taps': tap, 'teacher_taps': tap}
    teacher = tiny.teacher(tiny.vit(dims=24))
    states = []
    for config in (student, tiny.distilled(student, teacher, {'mgd': mgd})):
        torch.manual_seed(0)
        model = tiny.build(config)
        model.init_weights()
        states.append(model.state_dict())
    assert model.distill_losses['mgd'].generation[0].weight.std() < 1
    assert all(torch.equal(states[1][k], v) for k, v in states[0].items())


def test_a_pretrained_student_brings_its_losses_along(tmp_path):
    config = tiny.distilled(losses={'mgd': MGD})
    trained = tiny.build(config)
    torch.save(trained.state_dict(), tmp_path / 'x.pth')
    init = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'x.pth')}
    model = tiny.build({**config, 'init_cfg': init})
    model.init_weights()
    assert tiny.same(model.state_dict(), trained.state_dict())


def test_a_failed_initialization_can_be_repeated():
    model = tiny.build(tiny.distilled(losses={'mgd': MGD}))
    losses, build = model.distill_losses, model.backbone.init_weights
    model.backbone.init_weights = None
    with pytest.raises(TypeError, match='NoneType'):
        model.init_weights()
    model.backbone.init_weights = build
    assert model.distill_losses is losses
    model.init_weights()


def test_a_traced_student_holds_no_parameters_of_losses():
    model = tiny.build(tiny.distilled(losses={'mgd': MGD})).eval()
    images, _ = tiny.batch()
    traced = torch.jit.trace(model, images)
    assert torch.equal(traced(images), model(images))
    assert 'distill_losses' not in str(torch.jit.freeze(traced).graph)


# Bad input.


@pytest.mark.parametrize(
    ('keys', 'error', 'message'),
    [
        (
            {'student_loss_wieght': 0.5},
            TypeError,
            "student_loss_wieght'.*Nearest: 'student_loss_weight'",
        ),
        ({'student_loss_weight': -0.5}, ValueError, 'weight` to be finite'),
        ({'student_loss_weight': float('nan')}, ValueError, 'got nan'),
        ({'teacher': None}, ValueError, r"Expected a `teacher`.*\['nkd'\]"),
        ({'teacher': 'resnet34'}, TypeError, r"dict\(model=.*got 'resnet34'"),
        (
            {'teacher': tiny.teacher(check_point='x.pth')},
            TypeError,
            "`teacher`: .*'check_point'.*Nearest: 'checkpoint'",
        ),
        (
            {'teacher': [tiny.teacher(check_point='x.pth')]},
            TypeError,
            r"`teacher\[0\]`: .*'check_point'.*Nearest: 'checkpoint'",
        ),
        (
            {'distill_losses': tiny.nkd(student_taps='backbone.layer9')},
            ValueError,
            r"student.*'backbone.layer9'",
        ),
    ],
)
def test_what_is_wrong_in_a_config_is_told_when_it_is_built(
    keys, error, message
):
    with pytest.raises(error, match=message):
        tiny.build({**tiny.distilled(), **keys})


def test_samples_without_labels_are_an_error():
    model = tiny.build(tiny.distilled(losses=TF))
    model.head.loss = lambda feats, samples: {'loss': model.head(feats).sum()}
    images, _ = tiny.batch()
    with pytest.raises(
        TypeError, match='target` to be a dense tensor.*NoneType'
    ):
        model.loss(images, [DataSample()] * 6)
