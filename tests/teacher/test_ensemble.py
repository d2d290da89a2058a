"""Several teachers that teach together."""

import copy
import pickle

import pytest
import tiny
import torch
from ranks import on_ranks

from mmnkd.teacher import TeacherEnsemble

PREPROCESSOR = tiny.build(tiny.resnet()).data_preprocessor


def teachers(*weights):
    """Return the arguments of teachers; a weight of None isn't given."""
    return [
        tiny.teacher(**({} if w is None else {'weight': w})) for w in weights
    ]


def built(arguments):
    """Build teachers that differ."""
    torch.manual_seed(0)
    ensemble = TeacherEnsemble(arguments)
    ensemble.build(PREPROCESSOR, ['logits'])
    with torch.no_grad():
        for number, teacher in enumerate(ensemble.teachers):
            teacher.network.head.fc.weight.mul_(10 * (number + 1))
    return ensemble


@pytest.mark.parametrize(
    ('weights', 'shares'),
    [((None, None), (0.5, 0.5)), ((3, 1.0), (0.75, 0.25))],
)
def test_logits_are_those_of_the_mean_of_probabilities(weights, shares):
    ensemble = built(teachers(*weights))
    images, _ = tiny.batch()
    probs = [t(images)['logits'].softmax(1) for t in ensemble.teachers]
    assert (probs[0] - probs[1]).abs().max() > 0.01
    expected = shares[0] * probs[0] + shares[1] * probs[1]
    actual = ensemble(images)['logits'].softmax(dim=1)
    torch.testing.assert_close(actual, expected)


def test_extreme_logits_stay_finite():
    ensemble = built(teachers(None, None))
    extreme = torch.tensor([[1e4, -1e4, 0.0]])
    logits = ensemble._mean([extreme, extreme.flip(1)])
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(
        logits.softmax(dim=1), torch.tensor([[0.5, 0.0, 0.5]])
    )


def test_outputs_of_one_teacher_are_named_by_its_number():
    ensemble = built(teachers(None, None))
    images, _ = tiny.batch()
    taps = ('0.backbone.layer2', '1.logits', '1.head.fc.weight')
    outputs = ensemble(images, taps)
    first, second = ensemble.teachers
    assert set(outputs) == set(taps)
    features = first(images, ['backbone.layer2'])['backbone.layer2']
    assert torch.equal(outputs[taps[0]], features)
    assert torch.equal(outputs[taps[1]], second(images)['logits'])
    assert torch.equal(outputs[taps[2]], second.network.head.fc.weight)


def build_in_an_order_of_its_own(rank, count):
    torch.manual_seed(0)
    differing = [tiny.teacher(), tiny.teacher(tiny.resnet(width=4))]
    # A set of strings has another order in each process.
    taps = ['0.logits', '1.logits'] if rank else ['1.logits', '0.logits']
    ensemble = TeacherEnsemble(differing)
    ensemble.build(PREPROCESSOR, taps)
    return [teacher.is_built for teacher in ensemble.teachers]


def test_each_process_builds_teachers_in_the_same_order():
    assert on_ranks(2, build_in_an_order_of_its_own) == [[True, True]] * 2


def test_teachers_that_nobody_asks_are_not_built():
    ensemble = TeacherEnsemble(teachers(None, None))
    ensemble.build(PREPROCESSOR, ['1.logits'])
    outputs = ensemble(tiny.batch()[0], ['1.logits'])
    assert set(outputs) == {'1.logits'}
    assert [t.network is None for t in ensemble.teachers] == [True, False]


@tiny.needs_safe_globals
def test_a_student_learns_from_several_teachers(tmp_path):
    losses = {
        **tiny.nkd(),
        'mgd': {
            'type': 'MGDLoss',
            'student_taps': 'backbone.layer2',
            'teacher_taps': '1.backbone.layer2',
        },
    }
    model = tiny.distilled(teacher_options=teachers(None, 2.0), losses=losses)
    run = tiny.train(model, tmp_path)
    saved = tiny.saved(tmp_path / 'epoch_1.pth')['state_dict']
    assert not [name for name in saved if 'teacher' in name]
    log = run.model.loss(*tiny.batch())
    assert {'loss_nkd_target', 'loss_nkd_nontarget', 'loss_mgd'} < set(log)
    assert copy.deepcopy(run.model).teacher is run.model.teacher
    restored = pickle.loads(pickle.dumps(run.model.teacher))
    assert not restored.is_built
    assert all(teacher.network is None for teacher in restored.teachers)


def test_each_teacher_has_classes_of_its_own():
    wide = tiny.teacher(
        tiny.resnet(classes=12), class_indices=list(range(1, 11))
    )
    ensemble = built([tiny.teacher(), wide])
    assert ensemble(tiny.batch()[0])['logits'].shape == (6, 10)
    wide.pop('class_indices')
    with pytest.raises(ValueError, match=r'\(6, 10\), \(6, 12\).*class_ind'):
        built([tiny.teacher(), wide])(tiny.batch()[0])


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ([], TypeError, r'or a list of them, but got \[\]'),
        (['resnet'], TypeError, 'resnet'),
        (teachers(-1), ValueError, r'teacher\[0\].weight.*got -1'),
        (teachers(float('nan')), ValueError, 'weight.*got nan'),
        (teachers(0, 1), ValueError, 'weight.*got 0'),
    ],
)
def test_ensembles_of_the_wrong_form_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        TeacherEnsemble(arguments)


@pytest.mark.parametrize(
    'tap', ['backbone.layer2', '2.backbone', '0.', '-1.a']
)
def test_taps_without_the_number_of_a_teacher_are_refused(tap):
    message = rf"several teachers.*0 to 1.*got '{tap}'"
    with pytest.raises(ValueError, match=message):
        TeacherEnsemble(teachers(1, 1)).build(PREPROCESSOR, [tap])
