"""Heads whose output a softmax doesn't fit, and classes that differ."""

import pytest
import tiny
import torch
from mmengine.registry import MODELS
from mmpretrain.models.heads import ConformerHead

from mmnkd.classifier.logits import check_same_classes


def with_head(type_, **head):
    head = {'type': type_, 'num_classes': 10, 'in_channels': 8, **head}
    return {**tiny.resnet(), 'head': head}


def distilled(student, **keys):
    return tiny.build(tiny.distilled(student, **keys))


@MODELS.register_module(force=True)
class TwoHeads(ConformerHead):
    """Put out the logits of both."""

    def pre_logits(self, feats):
        return feats[-1], feats[-1]


TWO_HEADS = with_head('TwoHeads', in_channels=[8, 8])


def test_head_of_tuples_says_which_tap_to_name():
    model = distilled(TWO_HEADS)
    message = r'`head`, a TwoHeads, but it puts out a tuple of 2.*`logits_tap='
    with pytest.raises(ValueError, match=message):
        model.loss(*tiny.batch())
    named = distilled(TWO_HEADS, logits_tap='head.conv_cls_head')
    assert named.loss(*tiny.batch())['loss_nkd_target'] > 0

    message = r"tuple of 2\. Set `teacher.logits_tap='head.trans_cls_head'` \("
    with pytest.raises(ValueError, match=message):
        tiny.built_teacher(TWO_HEADS)(tiny.batch()[0])
    teacher = tiny.built_teacher(TWO_HEADS, logits_tap='head.trans_cls_head')
    assert teacher(tiny.batch()[0])['logits'].shape == (6, 10)


def test_a_multi_label_head_says_which_tap_fits_one_label_a_sample():
    student = with_head('MultiLabelLinearClsHead')
    message = r"If each sample has one label.*`logits_tap='head.fc'`\.$"
    with pytest.raises(ValueError, match=message):
        distilled(student)
    model = distilled(student, logits_tap='head.fc')
    assert model.loss(*tiny.batch())['loss_nkd_target'] > 0
    images, samples = tiny.batch()
    for sample in samples:
        sample.set_gt_score(torch.tensor([1.0, 1, 0, 0, 1, 0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match='sums from 3.0 to 3.0'):
        model.loss(images, samples)


def test_a_head_without_a_linear_layer_gets_no_tap_that_is_not_there():
    student = with_head('CSRAClsHead', num_heads=1, lam=0.1)
    student['neck'] = None
    with pytest.raises(ValueError, match='several labels') as caught:
        distilled(student)
    assert 'losses on features: no linear layer is there' in str(caught.value)
    assert 'head.fc' not in str(caught.value)
    losses = {'mine': {'type': 'FeatureProjected'}}
    assert distilled(student, losses=losses).loss(*tiny.batch())


def test_a_margin_head_says_which_tap_to_name():
    student = with_head('ArcFaceClsHead')
    message = r"a margin.*`logits_tap='head.norm_product'`.*scale"
    with pytest.raises(ValueError, match=message):
        distilled(student)
    model = distilled(student, logits_tap='head.norm_product')
    assert model.loss(*tiny.batch())['loss_nkd_target'] > 0


def test_a_student_without_a_head_is_told_so():
    student = {**tiny.resnet(), 'head': None}
    message = 'a student with a `head` that puts out logits, but it has none'
    with pytest.raises(ValueError, match=message):
        distilled(student)
    losses = {'mine': {'type': 'FeatureProjected'}}
    assert distilled(student, losses=losses).distill_losses.active


def test_other_class_counts_name_both_and_the_option():
    options = tiny.teacher(tiny.resnet(classes=12))
    model = tiny.build(tiny.distilled(teacher_options=options))
    message = 'student has 10 and the teacher 12.*`teacher.class_indices`'
    with pytest.raises(ValueError, match=message):
        model.loss(*tiny.batch())
    options = tiny.teacher(class_indices=[0, 1, 2])
    model = tiny.build(tiny.distilled(teacher_options=options))
    with pytest.raises(ValueError, match='has 10 and the teacher 3'):
        model.loss(*tiny.batch())
    check_same_classes({}, {'logits': torch.ones(2, 3)})
