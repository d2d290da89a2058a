"""FeatureCosineLoss, which a teacher without classes can serve."""

import pytest
import tiny
import torch

from mmnkd.losses import FeatureCosineLoss

COSINE = {'student_taps': 'backbone.layer2', 'teacher_taps': 'backbone'}


def cosine_model(teacher):
    losses = {'cosine': {'type': 'FeatureCosineLoss', **COSINE}}
    return tiny.build(tiny.distilled(None, tiny.teacher(teacher), losses))


def test_feature_cosine_is_1_less_the_cosine_of_pooled_features():
    module = FeatureCosineLoss(
        **COSINE,
        student_channels=4,
        teacher_channels=6,
        reduction='none',
        loss_weight=2.0,
    )
    student, teacher = torch.randn(3, 4, 2, 2), torch.randn(3, 5, 6)
    actual = module(student, teacher, None)
    for row in range(3):
        s = module.projection(student[row].mean(dim=(1, 2)))
        t = teacher[row, 0]  # the class token of a grid of 2x2
        expected = 2 * (1 - s @ t / (s.norm() * t.norm()))
        torch.testing.assert_close(actual[row], expected)


def test_a_teacher_without_a_head_teaches_features():
    model = cosine_model({**tiny.vit(), 'head': None})
    images, samples = tiny.batch()
    logged = model.loss(images, samples)
    assert 0 < logged['loss_cosine'] < 2
    sum(value for key, value in logged.items() if 'loss' in key).backward()
    assert model.distill_losses['cosine'].projection.weight.grad.any()


TIMM = {
    'type': 'TimmClassifier',
    'model_name': 'resnet10t',
    'pretrained': False,
    'num_classes': 0,
}


@pytest.mark.parametrize(
    'teacher', [{**tiny.vit(), 'head': None}, TIMM], ids=['mmpretrain', 'timm']
)
def test_a_teacher_without_classes_is_refused_by_a_loss_on_logits(teacher):
    model = tiny.build(tiny.distilled(None, tiny.teacher(teacher)))
    with pytest.raises(ValueError, match=r'with classes.*FeatureCosineLoss'):
        model.init_weights()
