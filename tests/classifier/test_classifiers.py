"""Classifiers of mmpretrain, of one's own, of timm and transformers."""

import copy

import pytest
import tiny
import torch
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import ImageClassifier

from mmnkd import (
    DistillationMixin,
    DistilledClassifier,
    DistilledHuggingFaceClassifier,
    DistilledTimmClassifier,
)

TF = {'tf': {'type': 'TFNKDLoss'}}
TIMM = {'type': 'TimmClassifier', 'model_name': 'resnet10t', 'num_classes': 10}


def check_classifier(plain_config, kind, images):
    """Distill a classifier from one of its kind, and load what it saved."""
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
    check_classifier(TIMM, DistilledTimmClassifier, tiny.batch(size=32))


def test_hugging_face_students_and_teachers(hugging_face):
    images = tiny.batch(size=32)
    check_classifier(hugging_face, DistilledHuggingFaceClassifier, images)


def test_mmpretrain_student_learns_from_a_timm_teacher(tmp_path):
    weights = tiny.build(TIMM).state_dict()  # names as timm has them
    assert 'conv1.0.weight' in weights
    torch.save(weights, tmp_path / 'timm.pth')
    options = {'model': TIMM, 'checkpoint': str(tmp_path / 'timm.pth')}
    model = tiny.build(tiny.distilled(teacher_options=options))
    losses = model.loss(*tiny.batch(size=32))
    assert torch.isfinite(losses['loss_nkd_target'])


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


class Mine(DistilledClassifier):
    """A user's class with arguments of its own."""

    def __init__(self, width, distill_losses=None):
        super().__init__(**plain_parts(width), distill_losses=distill_losses)


def plain_parts(width=4):
    parts = tiny.resnet(width)
    del parts['type']
    return parts


def test_classifiers_are_built_in_python_too():
    parts = plain_parts().values()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for model in (
            Mine(4, TF),
            Mine(width=4, distill_losses=TF),
            DistilledClassifier(*parts, distill_losses=TF),
        ):
            assert 'loss_tf' in model.loss(*tiny.batch())
        with pytest.raises(TypeError, match="missing.*'backbone'"):
            DistilledClassifier(neck=None, head=None)
