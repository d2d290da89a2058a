"""The forward on a blank image: what it sees, and that it leaves no trace."""

import pytest
import tiny
import torch
from features import distilled
from torch import nn

from mmnkd.classifier.dry_run import blank_image, dry_run, explained
from mmnkd.taps import TapError

IMAGE = torch.zeros(1, 3, 8, 8)


def test_blank_images_have_the_size_and_channels_of_the_student():
    assert blank_image(tiny.build(tiny.vit())).shape == (1, 3, 8, 8)
    assert blank_image(tiny.build(tiny.resnet())).shape == (1, 3, 224, 224)
    gray = tiny.resnet()
    gray['backbone']['in_channels'] = 1
    assert blank_image(tiny.build(gray)).shape == (1, 1, 224, 224)
    assert blank_image(nn.Linear(2, 2)).shape == (1, 3, 224, 224)
    wide = nn.Linear(2, 2)
    wide.image_size = (8, 12)  # as transformers calls it
    assert blank_image(wide).shape == (1, 3, 8, 12)


@pytest.mark.parametrize('fails', [False, True])
def test_modules_that_a_user_froze_stay_frozen_and_others_train(fails):
    model = tiny.build(tiny.resnet())
    model.backbone.layer1.eval()
    before = {name: m.training for name, m in model.named_modules()}
    assert set(before.values()) == {True, False}
    statistics = tiny.snapshot(model)
    taps = {'layer2': 'backbone.layer2'}
    if fails:
        with pytest.raises(RuntimeError, match='channels'):
            dry_run(model, IMAGE[:, :1], taps)
    else:
        features = dry_run(model, IMAGE, taps)['layer2']
        assert features.shape == (1, 8, 4, 4)
        assert not features.requires_grad
    after = {name: m.training for name, m in model.named_modules()}
    assert after == before
    assert tiny.same(model.state_dict(), statistics)


def test_what_a_network_does_not_take_says_what_to_declare():
    message = (
        r'the teacher to take an image of shape \(1, 3, 8, 8\), by which '
        'a.size of losses are measured, but got: oh. Declare them'
    )
    with (
        pytest.raises(ValueError, match=message),
        explained('the teacher', IMAGE, 'a.size'),
    ):
        raise AssertionError('oh')
    with (
        pytest.raises(TapError, match='^as it is$'),
        explained('the teacher', IMAGE, 'a.size'),
    ):
        raise TapError('as it is')


def test_the_error_knows_no_loss_by_name():
    # A student for images of one size, and a loss of the user's.
    lenet = {
        'type': 'DistilledClassifier',
        'backbone': {'type': 'LeNet5', 'num_classes': 10},
        'head': {'type': 'ClsHead', 'loss': {'type': 'CrossEntropyLoss'}},
    }
    losses = {
        'mine': {
            'type': 'USKDLoss',
            'student_taps': ['logits', 'backbone.features.3'],
        }
    }
    message = (
        r'DistilledClassifier.*shape \(1, 1, 224, 224\), by which '
        r'mine.in_channels, mine.num_classes of.*Declare'
    )
    with pytest.raises(ValueError, match=message) as caught:
        tiny.build({**lenet, 'distill_losses': losses})
    assert 'USKD' not in str(caught.value)


def test_a_teacher_of_one_size_says_what_to_declare():
    config = distilled('MGDLoss', teacher_taps='model.blocks.0')
    vit = {'type': 'TimmClassifier', 'model_name': 'vit_tiny_patch16_224'}
    config['teacher'] = tiny.teacher({**vit, 'img_size': 32, 'depth': 1})
    with pytest.raises(ValueError, match=r'the teacher.*224.*Declare'):
        tiny.build(config)


def test_errors_of_taps_are_not_dressed_up_by_measuring():
    config = distilled('MGDLoss', teacher_taps='backbone.layer2.0.relu')
    with pytest.raises(TapError, match='^Expected the forward of Image'):
        tiny.build(config)
