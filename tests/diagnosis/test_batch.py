"""What one batch shows of images, labels, teacher and losses."""

import pytest
import torch

from mmnkd.diagnosis import check_batch

IMAGES = torch.linspace(-1, 1, 16 * 3 * 4).view(16, 3, 2, 2)
LABELS = torch.arange(16) % 4


def logits_of(labels, classes=4):
    """Return logits of a teacher that knows the labels."""
    torch.manual_seed(0)
    noise = torch.randn(len(labels), classes)
    return noise + 9 * torch.nn.functional.one_hot(labels, classes)


GOOD = logits_of(LABELS)


def names(**options):
    target = options.pop('target', LABELS)
    images = options.pop('images', IMAGES)
    findings = check_batch(images, target, **options)
    return [(finding.name, finding.level) for finding in findings]


def test_a_good_batch_is_no_finding():
    masked = torch.cat([GOOD, torch.full((16, 1), float('-inf'))], dim=1)
    features = (torch.zeros(2), 'more')
    for logits in (GOOD, GOOD.bfloat16(), masked):
        teacher = {'logits': logits, 'layer': features}
        losses = {'loss_a': torch.tensor(1.0), 'accuracy': [torch.nan]}
        assert not names(num_classes=4, teacher=teacher, losses=losses)
    assert not names(target=None, teacher={})


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_images_that_are_no_numbers_are_an_error(value):
    images = IMAGES.clone()
    images[3, 1, 0, 0] = value
    assert names(images=images) == [('images-nan', 'error')]


def test_labels_beyond_the_head_are_an_error():
    assert names(num_classes=3) == [('label-range', 'error')]
    scores = torch.eye(4)[LABELS]
    assert names(num_classes=4, target=scores) == []


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('tap', ['logits', 'backbone.layer4'])
def test_a_teacher_with_nan_is_an_error(value, tap):
    output = GOOD.clone()
    output[2, 1] = value
    teacher = {'logits': GOOD, tap: output}
    assert names(teacher=teacher) == [('teacher-nan', 'error')]


def test_a_teacher_that_masks_all_classes_is_an_error():
    logits = GOOD.clone()
    logits[1] = float('-inf')
    assert names(teacher={'logits': logits}) == [('teacher-nan', 'error')]


def test_a_teacher_that_says_always_the_same_is_an_error():
    same = GOOD[:1].expand(16, 4)
    assert names(teacher={'logits': same}) == [('teacher-constant', 'error')]
    masked = same.clone()
    masked[:, 2] = float('-inf')
    assert names(teacher={'logits': masked}) == [('teacher-constant', 'error')]
    equal = IMAGES[:1].expand(16, -1, -1, -1)
    assert not names(images=equal, target=None, teacher={'logits': same})


def test_a_teacher_without_an_opinion_is_a_warning():
    assert names(teacher={'logits': GOOD / 100}) == [
        ('teacher-flat', 'warning')
    ]


def test_a_teacher_at_chance_is_a_warning_with_the_number():
    moved = {'logits': logits_of((LABELS + 1) % 4)}
    (finding,) = check_batch(
        IMAGES, LABELS, teacher=moved, teacher_size=(64, 64)
    )
    assert (finding.name, finding.level) == ('teacher-chance', 'warning')
    assert 'at `input_size=(64, 64)` is 0.0 % (0 of 16)' in finding.message
    few = {'logits': moved['logits'][:4]}
    two = {'logits': logits_of(torch.tensor([0, 1] * 4), 2)}
    mostly = torch.tensor([0, 1, 0, 1, 0, 1, 1, 0])  # 6 of 8 are right
    assert names(images=IMAGES[:8], target=mostly, teacher=two) == []
    assert names(images=IMAGES[:4], target=LABELS[:4], teacher=few) == []


def test_of_mixed_labels_the_larger_one_counts():
    scores = 0.7 * torch.eye(4)[LABELS] + 0.3 * torch.eye(4)[(LABELS + 1) % 4]
    assert names(target=scores, teacher={'logits': GOOD}) == []
    assert names(target=scores.flip(1), teacher={'logits': GOOD}) == [
        ('teacher-chance', 'warning')
    ]


def test_losses_that_are_no_numbers_are_an_error():
    (finding,) = check_batch(
        IMAGES, LABELS, losses={'loss_nkd': torch.tensor(torch.nan)}
    )
    assert finding.name == 'loss-nan'
    assert "['loss_nkd']" in finding.message
    listed = {'aux_loss': [torch.ones(2), torch.tensor(torch.inf)]}
    assert names(losses=listed) == [('loss-nan', 'error')]


@pytest.mark.parametrize('size', [1e-9, 1e9])
def test_a_loss_that_drowns_or_is_drowned_is_a_warning(size):
    losses = {'loss_cls': torch.tensor(2.0), 'loss_nkd': torch.tensor(size)}
    found = names(losses={**losses, 'accuracy': torch.tensor(1e12)})
    assert ('loss-share', 'warning') in found
    assert names(losses={**losses, 'loss_nkd': torch.tensor(0.0)}) == []
