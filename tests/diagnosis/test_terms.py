"""How hard loss terms pull at the student's logits."""

import pytest
import tiny
import torch
import torch.nn.functional as F

from mmnkd.diagnosis.terms import Term, check_terms, measure_terms
from mmnkd.functional import nkd_terms


def batch():
    images, samples = tiny.batch()
    return {'inputs': images, 'data_samples': samples}


def test_terms_are_values_and_gradients_at_the_logits():
    torch.manual_seed(0)
    model = tiny.build(tiny.distilled())
    model.init_weights()
    model.eval()  # so that the same forward can be done again
    given = batch()
    own, target_term, nontarget_term = measure_terms(model, [given])
    assert own.loss is None
    assert target_term.loss == nontarget_term.loss == 'nkd'

    logits = model(given['inputs']).detach().requires_grad_()
    teacher = model.teacher(given['inputs'])['logits']
    target = torch.cat([s.gt_label for s in given['data_samples']])
    losses = [
        F.cross_entropy(logits, target),
        *(term.mean() for term in nkd_terms(logits, teacher, target)),
    ]
    norms = [
        torch.autograd.grad(loss, logits, retain_graph=True)[0].norm().item()
        for loss in losses
    ]
    terms = (own, target_term, nontarget_term)
    for term, loss, norm in zip(terms, losses, norms):
        assert term.value == pytest.approx(loss.item(), rel=1e-4)
        assert term.gradient == pytest.approx(norm, rel=1e-3)
        assert term.ratio == pytest.approx(norm / norms[0], rel=1e-3)


def test_a_loss_on_features_has_no_gradient_at_the_logits():
    model = tiny.build(
        tiny.distilled(
            losses={
                'mgd': {
                    'type': 'MGDLoss',
                    'student_taps': 'backbone.layer2',
                    'teacher_taps': 'backbone.layer2',
                }
            }
        )
    )
    model.init_weights()
    _, mgd = measure_terms(model, [batch()])
    assert (mgd.name, mgd.gradient, mgd.ratio) == ('loss_mgd', None, None)


def test_a_plain_classifier_has_its_own_terms():
    model = tiny.build(tiny.resnet())
    (own,) = measure_terms(model, [batch(), batch()])
    assert (own.name, own.ratio) == ('loss', 1)


def term(ratio, name='loss_kd', loss='kd'):
    return Term(name, loss, 1.0, ratio, ratio)


OWN = term(1.0, 'loss_cls', None)


def test_a_term_that_drowns_the_rest_is_a_warning_of_its_loss():
    terms = [OWN, term(30.0, 'loss_nkd_target', 'nkd'), term(2.0)]
    (finding,) = check_terms([*terms, term(40.0, 'loss_nkd_nontarget', 'nkd')])
    assert (finding.name, finding.level) == ('term-large', 'warning')
    assert '`loss_nkd_nontarget`' in finding.message
    assert '40 times' in finding.message
    assert "of 'nkd' smaller; 0.03 times" in finding.fix


def test_a_term_that_teaches_nothing_is_a_warning_but_at_a_warm_up():
    terms = [OWN, term(1e-3)]
    (finding,) = check_terms(terms)
    assert finding.name == 'term-small'
    assert not check_terms(terms, scheduled=True)


def test_features_and_a_student_without_own_loss_are_not_judged():
    assert not check_terms([OWN, Term('loss_mgd', 'mgd', 1e5, None, None)])
    assert not check_terms([Term('loss_kd', 'kd', 1.0, 1e5, None)])
