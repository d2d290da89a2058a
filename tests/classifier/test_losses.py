"""Several losses: their form in a config, and their names in the log."""

import pytest
import tiny
import torch

from mmnkd import DistillLoss
from mmnkd.classifier.losses import LossDict
from mmnkd.losses import TFNKDLoss

NKD = {'type': 'NKDLoss'}


@pytest.mark.parametrize(
    ('losses', 'error', 'message'),
    [
        (NKD, TypeError, "module with a name.*type='NKDLoss'"),
        ([NKD], TypeError, 'losses by name.*but got list'),
        ({'a.b': NKD}, ValueError, "identifiers.*'a.b'"),
        ({'keys': NKD}, ValueError, "ModuleDict.*'keys'"),
        ({'training': NKD}, ValueError, "'training'"),
        ({'nkd_loss': NKD}, ValueError, "without 'loss'.*'nkd_loss'"),
        ({'loss': NKD}, ValueError, "without 'loss'.*Rename"),
        ({'a': {'type': 'NDKLoss'}}, ValueError, "'NDKL.*Nearest: .'NKDLoss'"),
        ({'a': {'gamma': 4}}, ValueError, 'but got None.*custom_imports'),
        (
            {'mine': {**NKD, 'temprature': 4.0}},
            TypeError,
            "`distill_losses.mine`.*'temprature'.*Nearest: 'temperature'",
        ),
        (
            {'mine': {'type': TFNKDLoss, 'loss_wieght': 4.0}},
            TypeError,
            "`distill_losses.mine`.*Nearest: 'loss_weight'",
        ),
        (
            {'uskd': {'type': 'USKDLoss'}},
            TypeError,
            "`distill_losses.uskd`: .*missing.*'student_taps'",
        ),
        (
            {'a': NKD, 'b': {**NKD, 'temperature': 0}},
            ValueError,
            '`distill_losses.b`: .*temperature',
        ),
    ],
)
def test_what_is_wrong_with_losses_is_told_with_their_name(
    losses, error, message
):
    with pytest.raises(error, match=message):
        LossDict(losses)


def test_losses_may_be_modules_and_classes_and_of_a_scope():
    losses = LossDict(
        {
            'a': TFNKDLoss(),
            'b': {'type': TFNKDLoss},
            'c': {'type': 'NKDLoss', '_scope_': 'mmpretrain'},
            'd': tiny.Projected(),
        }
    )
    assert losses.student_taps == {'logits'}
    assert losses.teacher_taps == {'logits'}  # of c, and of the plain module
    assert losses.active['a'] == ('logits', None)
    assert losses.active['d'] == ('logits', 'logits')


def test_a_loss_with_taps_that_are_no_names_is_refused():
    loss = tiny.Projected()
    loss.student_taps = [3]
    with pytest.raises(TypeError, match=r'taps to be a name.*\[3\]'):
        LossDict({'mine': loss})


def test_a_loss_of_weight_0_reads_nothing_and_learns_nothing():
    losses = LossDict(
        {
            'off': {'type': 'Projected', 'loss_weight': 0},
            'on': {'type': 'Projected', 'loss_weight': 1},
        }
    )
    assert list(losses.active) == ['on']
    assert not losses['off'].project.weight.requires_grad
    assert losses['on'].project.weight.requires_grad
    only = LossDict({'off': {'type': 'Projected', 'loss_weight': 0}})
    assert only.student_taps == only.teacher_taps == set()


class Terms(DistillLoss):
    """Return what it is told to, whatever the outputs are."""

    def __init__(self, terms, **kwargs):
        super().__init__(**kwargs)
        self.terms = terms

    def forward(self, student, teacher, target):
        return self.terms


def computed(**terms):
    losses = LossDict({name: Terms(value) for name, value in terms.items()})
    return losses.compute({'logits': 0}, {'logits': 0}, None)


def test_terms_are_named_by_their_loss():
    one, two = torch.ones(()), torch.full((), 2.0)
    assert computed(a=one, b={'x': one, 'y': two}) == {
        'loss_a': one,
        'loss_b_x': one,
        'loss_b_y': two,
    }


def test_no_term_takes_the_name_of_another():
    one = torch.ones(())
    with pytest.raises(ValueError, match=r"\['loss_a_b'\] came twice"):
        computed(a={'b': one}, a_b=one)
    model = tiny.build(tiny.distilled(losses={'cls': {'type': 'TFNKDLoss'}}))
    with pytest.raises(ValueError, match=r"\['loss_cls'\] came twice"):
        model.loss(*tiny.batch())


def test_a_loss_that_returns_no_tensor_is_an_error():
    with pytest.raises(TypeError, match="loss 'a' to return.*got tuple"):
        computed(a=(1.0, 2.0))


def test_the_factor_of_a_schedule_is_logged_and_never_summed():
    halved = {'type': 'ConstantLR', 'factor': 0.5, 'end': 9}
    names = ('l', 'nkd')
    losses = {n: {**NKD, 'weight_schedule': halved} for n in names}
    model = tiny.build(tiny.distilled(losses=losses))
    log = model.loss(*tiny.batch())
    total, _ = model.parse_losses(log)
    for name in names:
        assert log.pop(f'weight_{name}') == 0.5
    assert all('loss' in name for name in log)
    torch.testing.assert_close(total, sum(log.values()))
    losses = {n: dict(NKD) for n in names}
    whole = tiny.build(tiny.distilled(losses=losses))
    whole.load_state_dict(model.state_dict())
    whole.teacher = model.teacher
    expected = whole.loss(*tiny.batch())
    for name in ('loss_l_target', 'loss_nkd_nontarget'):
        torch.testing.assert_close(log[name], 0.5 * expected[name])
