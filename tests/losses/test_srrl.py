"""Softmax regression representation learning."""

import pytest
import reference
import tiny
import torch
from features import LAYERS, TAPS, check_training, distilled, draw
from golden import golden, settings_of
from torch import nn

from mmnkd.losses import SRRLLoss


def srrl(student, teacher, **options):
    channels = {'student_channels': student, 'teacher_channels': teacher}
    return SRRLLoss(**TAPS, **channels, **options)


def test_srrl_reproduces_the_golden_value():
    case = '045/srrl'
    loss = srrl(6, 6, **settings_of(case))
    aligned = golden(case, 'feat_student_aligned')
    loss.connector = nn.Identity()  # the features went through it already
    # A linear layer that maps each of the three pooled features to its logits.
    wanted = golden(case, 'logits_student_through_teacher_head')
    weight = torch.linalg.lstsq(aligned.mean(dim=(2, 3)), wanted).solution.T
    bias = torch.zeros(len(weight)).double()
    teacher = (
        golden(case, 'feat_teacher'),
        golden(case, 'logits_teacher'),
        weight,
        bias,
    )
    actual = sum(loss(aligned, teacher, None).values())
    torch.testing.assert_close(actual, golden(case, 'loss'), rtol=1e-9, atol=0)


def test_srrl_is_the_formula_in_loops():
    loss = srrl(3, 4, alpha=0.5, beta=2.0, reduction='none').double()
    head = nn.Linear(4, 7).double()
    student, teacher = draw(2, 3, 3, 5), draw(2, 4, 3, 5, seed=1)
    logits = head(teacher.mean(dim=(2, 3)))
    given = (teacher, logits, head.weight, head.bias)
    convolution, norm, _ = loss.connector
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    actual = sum(loss(student, given, None).values())
    aligned = reference.connect(
        student.tolist(),
        convolution.weight.tolist(),
        norm.weight.tolist(),
        norm.bias.tolist(),
    )
    expected = [
        reference.srrl(
            aligned[n],
            teacher[n].tolist(),
            head.weight.tolist(),
            head.bias.tolist(),
            alpha=0.5,
            beta=2.0,
        )
        for n in range(2)
    ]
    assert actual.tolist() == pytest.approx(expected, rel=1e-10)


@tiny.needs_safe_globals
def test_parameters_are_trained_saved_and_resumed(tmp_path):
    check_training(distilled('SRRLLoss'), tmp_path)


@pytest.mark.parametrize('several', [False, True])
def test_a_teacher_of_another_shape_has_grids_of_its_own(several):
    vit = tiny.vit()
    vit['backbone']['img_size'] = 16
    teacher = tiny.teacher(vit, input_size=16)
    number = '0.' if several else ''
    config = distilled(
        'SRRLLoss',
        teacher_taps=number + LAYERS[-1],
        teacher_head=f'{number}head.layers.head',
    )
    config['teacher'] = [teacher] if several else teacher
    images = torch.randn(2, 3, 8, 12)  # a map of any shape will do
    log = tiny.build(config).loss(images, tiny.batch(2)[1])
    assert torch.isfinite(log['loss_feat_features'])


def test_a_teacher_without_a_linear_head_is_an_error():
    options = {'student_channels': 8, 'teacher_channels': 16}
    config = distilled('SRRLLoss', teacher_head='head.classifier', **options)
    model = tiny.build(config)
    with pytest.raises(ValueError, match=r'head.classifier.*head.fc'):
        model.init_weights()


@pytest.mark.parametrize('name', ['alpha', 'beta'])
def test_bad_settings_are_refused_before_training(name):
    with pytest.raises(ValueError, match=f'{name}.*got -1'):
        SRRLLoss(**TAPS, **{name: -1})
