"""Student, teacher and losses beside each other."""

import pytest
import tiny
from mmengine.config import Config

from mmnkd.diagnosis import check_config, check_networks


def found(model, **options):
    model.init_weights()
    return [(f.name, f.level) for f in check_networks(model, **options)]


def test_networks_that_fit_are_no_finding():
    model = tiny.build(tiny.distilled())
    assert found(model, classes=list('abcdefghij'), max_epochs=1) == []
    alone = {**tiny.distilled(losses={'tf': {'type': 'TFNKDLoss'}})}
    assert found(tiny.build(alone)) == []


def test_a_teacher_that_is_smaller_is_a_warning():
    model = tiny.build(tiny.distilled(tiny.resnet(width=16)))
    assert found(model) == [('teacher-smaller', 'warning')]
    (finding,) = check_networks(model)
    assert '0.01 M parameters, and the student 0.04 M' in finding.message


def test_each_of_several_teachers_is_looked_at():
    teachers = [tiny.teacher(), tiny.teacher(tiny.resnet(width=2))]
    model = tiny.build(tiny.distilled(teacher_options=teachers))
    model.init_weights()
    (finding,) = check_networks(model)
    assert 'teacher[1]' in finding.message


@pytest.mark.parametrize(
    ('indices', 'part'),
    [([1] * 10, r'[1] come several times'), ([*range(1, 11)], 'got 10')],
)
def test_class_indices_are_among_the_classes_and_once(indices, part):
    teacher = tiny.teacher(class_indices=indices)
    model = tiny.build(tiny.distilled(teacher_options=teacher))
    model.init_weights()
    model.teacher.classes = [str(i) for i in range(10)]
    findings = check_networks(model, classes=model.teacher.classes)
    assert [finding.name for finding in findings] == ['class-indices']
    assert part in findings[0].message


def test_a_std_of_0_is_an_error():
    preprocessor = {**tiny.PREPROCESSOR, 'std': [1.0, 0.0, 1.0]}
    student = {**tiny.resnet(), 'data_preprocessor': preprocessor}
    assert found(tiny.build(tiny.distilled(student))) == [('std-0', 'error')]


def test_schedules_end_in_the_training():
    schedule = {'type': 'LinearLR', 'end': 5}
    losses = tiny.nkd(weight_schedule=schedule)
    keys = {'student_loss_schedule': schedule}
    model = tiny.build(tiny.distilled(losses=losses, **keys))
    assert found(model, max_epochs=5, max_iters=50) == []
    assert found(model, max_iters=50) == [('schedule-epochs', 'error')] * 2


def test_classes_of_a_teacher_without_a_say_in_logits_may_be_others():
    features = {
        'type': 'FeatureCosineLoss',
        'student_taps': 'neck',
        'student_channels': 8,
        'teacher_channels': 16,
    }
    names = [str(i) for i in range(20)]
    several = [tiny.teacher(), tiny.teacher(tiny.resnet(width=8, classes=20))]
    losses = {
        'f': {**features, 'teacher_taps': '1.neck'},
        'kd': {'type': 'KDLoss', 'temperature': 1, 'teacher_taps': '0.logits'},
    }
    alone = {'f': {**features, 'teacher_taps': 'neck'}}
    for teacher, given in ((several, losses), (several[1], alone)):
        config = tiny.distilled(teacher_options=teacher, losses=given)
        assert check_config(Config({'model': config})) == []
        model = tiny.build(config)
        model.init_weights()
        teachers = getattr(model.teacher, 'teachers', [model.teacher])
        teachers[-1].classes = names
        assert check_networks(model, classes=names[:10]) == []
    several[0] = several[1]
    both = Config({'model': tiny.distilled(None, several, losses)})
    (finding,) = check_config(both)
    assert (finding.name, '`teacher[0]`' in finding.message) == (
        'class-count',
        True,
    )
