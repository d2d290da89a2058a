"""Universal self-distillation: the module with its weak head."""

import pytest
import tiny
import torch
from features import check_training, draw
from torch import nn

from mmnkd import functional
from mmnkd.losses import USKDLoss

TARGET = torch.tensor([0, 6, 3, 3, 1])
WEAK = ['logits', 'backbone.layer1']


def uskd(**options):
    options = {'in_channels': 4, 'num_classes': 7, **options}
    return USKDLoss(student_taps=WEAK, **options)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_the_module_is_the_function_on_its_weak_head(reduction):
    settings = {'alpha': 0.5, 'beta': 0.3, 'mu': 0.2}
    loss = uskd(loss_weight=2.0, reduction=reduction, **settings)
    student, middle = draw(5, 7).float(), draw(5, 4, 3, 3).float()
    terms = loss((student, middle), None, TARGET)
    assert list(terms) == ['target', 'nontarget', 'weak']
    weak = loss.weak_head(middle.mean(dim=(2, 3)))
    expected = functional.uskd_loss(
        student, weak, TARGET, **settings, reduction=reduction
    )
    torch.testing.assert_close(sum(terms.values()), 2 * expected)


def test_the_weak_head_of_swin_normalizes_its_feature():
    loss = uskd(in_channels=3, num_classes=10, norm=True)
    tokens, logits = draw(2, 8, 3).float(), draw(2, 10).float()
    given = (logits, (tokens, (2, 4)))  # as a stage of Swin
    target = torch.tensor([1, 2])
    actual = loss(given, None, target)['weak']
    feature = nn.functional.layer_norm(tokens, (3,)).mean(dim=1)
    expected = 0.005 * nn.functional.cross_entropy(
        loss.weak_head(feature), target, label_smoothing=0.1
    )
    torch.testing.assert_close(actual, expected)


@tiny.needs_safe_globals
@pytest.mark.parametrize(
    ('student', 'tap'),
    [
        (tiny.resnet(), 'backbone.layer1'),
        (tiny.vit(), 'backbone.layers.0'),  # the class token
    ],
    ids=['resnet', 'vit'],
)
def test_parameters_are_trained_saved_and_resumed(student, tap, tmp_path):
    loss = {'type': 'USKDLoss', 'student_taps': ['logits', tap]}
    check_training(tiny.distilled(student, losses={'feat': loss}), tmp_path)


def test_maps_with_channels_last_are_measured_and_read():
    swin = {
        'type': 'DistilledTimmClassifier',
        'model_name': 'swin_tiny_patch4_window7_224',
        'embed_dim': 12,
        'depths': (1, 1),
        'num_heads': (1, 2),
        'num_classes': 10,
        'loss': {'type': 'CrossEntropyLoss'},
    }
    loss = {'type': 'USKDLoss', 'student_taps': ['logits', 'model.layers.0']}
    model = tiny.build({**swin, 'distill_losses': {'uskd': loss}})
    loss = model.distill_losses['uskd']
    assert (loss.in_channels, loss.num_classes) == (12, 10)
    log = model.loss(torch.randn(2, 3, 224, 224), tiny.batch(2)[1])
    assert torch.isfinite(log['loss_uskd_weak'])


def test_wrong_declarations_name_the_right_ones():
    for name, right in (('in_channels', 4), ('num_classes', 7)):
        loss = uskd(**{name: 9})
        with pytest.raises(ValueError, match=f'`{name}` to be {right}.*got 9'):
            loss((draw(5, 7).float(), draw(5, 4, 3, 3).float()), None, TARGET)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'student_taps': 'logits'}, "USKD.*got 'logits'"),
        ({'student_taps': WEAK, 'in_channels': -3}, 'in_channels'),
        ({'student_taps': WEAK, 'mu': -3}, 'mu.*got -3'),
    ],
)
def test_bad_settings_are_refused_before_training(options, message):
    with pytest.raises(ValueError, match=message):
        USKDLoss(**options)
