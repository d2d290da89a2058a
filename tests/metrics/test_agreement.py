"""Fidelity: against loops, and in a Runner beside the accuracy."""

import doctest
import math

import pytest
import reference
import tiny
import torch
from mmengine.config import Config
from mmengine.registry import METRICS
from mmpretrain.structures import DataSample

from mmnkd.metrics import StudentTeacherAgreement, agreement, fidelity


def predictions(logits, labels):
    """Return samples as an evaluator gets them."""
    scores = torch.as_tensor(logits).float().softmax(dim=1)
    return [
        {'pred_score': score, 'gt_label': torch.tensor([label])}
        for score, label in zip(scores, labels)
    ]


def test_fidelity_is_what_loops_compute():
    torch.manual_seed(0)
    student, teacher = 3 * torch.randn(2, 5, 7, dtype=torch.float64)
    target = torch.tensor([0, 6, 2, 2, 5])
    rows = fidelity(student, teacher, target, temperature=2.0, gamma=0.5)
    inputs = student.tolist(), teacher.tolist()
    target_term = reference.nkd(*inputs, target.tolist(), 2.0, 0.0)
    whole = reference.nkd(*inputs, target.tolist(), 2.0, 0.5)
    best = [[row.index(max(row)) for row in logits] for logits in inputs]
    expected = {
        'agree': [s == t for s, t in zip(*best)],
        'student_right': [s == t for s, t in zip(best[0], target)],
        'teacher_right': [s == t for s, t in zip(best[1], target)],
        'kl': reference.kd(*inputs, 1.0),
        'nkd_target': target_term,
        'nkd_nontarget': [a - b for a, b in zip(whole, target_term)],
    }
    assert list(rows) == list(expected)
    for name, values in expected.items():
        assert rows[name].tolist() == pytest.approx([*map(float, values)])


def test_log_probabilities_give_what_logits_give():
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 4, 3)
    target = torch.tensor([0, 1, 2, 0])
    of_logits = fidelity(student, teacher, target, temperature=3.0)
    log_s = student.softmax(dim=1).log()
    of_logs = fidelity(log_s, teacher, target, temperature=3.0)
    for name, row in of_logits.items():
        torch.testing.assert_close(of_logs[name], row)


def test_example_of_fidelity_prints_what_it_says():
    assert doctest.testmod(agreement).failed == 0


def own_teacher(**keys):
    model = {**tiny.resnet(width=8), 'data_preprocessor': tiny.PREPROCESSOR}
    return {'model': {**model, **keys}, 'checkpoint': None}


def test_a_student_that_is_its_teacher_agrees_with_it(tmp_path):
    model = {**tiny.resnet(width=8), 'data_preprocessor': tiny.PREPROCESSOR}
    weights = tmp_path / 'weights.pth'
    torch.save(tiny.build(model).state_dict(), weights)
    metric = {
        'type': 'StudentTeacherAgreement',
        'teacher': {'model': model, 'checkpoint': str(weights)},
    }
    run = tiny.runner(
        tiny.resnet(width=8), tmp_path, val_cfg={}, load_from=str(weights)
    )
    run.load_or_resume()
    evaluator = run.build_evaluator(
        [{'type': 'Accuracy', 'topk': (1,)}, metric]
    )
    evaluator.dataset_meta = run.val_loop.dataloader.dataset.metainfo
    run.val_loop.evaluator = evaluator
    found = run.val()
    assert found['agreement/top1'] == 100
    assert found['agreement/kl'] == pytest.approx(0, abs=1e-6)
    assert found['agreement/teacher_top1'] == pytest.approx(
        found['accuracy/top1'], abs=1e-4
    )
    assert found['agreement/top1_where_teacher_is_right'] == 100
    assert found['agreement/top1_where_teacher_is_wrong'] == 0


def test_accuracy_is_split_by_whether_the_teacher_is_right():
    metric = METRICS.build(
        {'type': 'StudentTeacherAgreement', 'teacher': own_teacher()}
    )
    names = ('agree', 'student_right', 'teacher_right', 'kl')
    rows = [(1, 1, 1, 0.5), (0, 0, 1, 0.5), (0, 1, 0, 1.0), (0, 1, 0, 1.0)]
    terms = {'nkd_target': 0.0, 'nkd_nontarget': 0.0}
    found = metric.compute_metrics(
        [{**dict(zip(names, row)), **terms} for row in rows]
    )
    assert found['top1'] == 25
    assert found['kl'] == 0.75
    assert found['teacher_top1'] == 50
    assert found['top1_where_teacher_is_right'] == 50
    assert found['top1_where_teacher_is_wrong'] == 100
    all_right = [{**dict.fromkeys(names, 1.0), **terms}]
    alone = metric.compute_metrics(all_right)
    assert math.isnan(alone['top1_where_teacher_is_wrong'])


def test_several_teachers_answer_as_one():
    metric = StudentTeacherAgreement([own_teacher(), own_teacher()])
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    metric.process(
        {'inputs': list(images)}, predictions(torch.zeros(3, 10), [0, 1, 2])
    )
    assert len(metric.results) == 3


def test_a_teacher_without_format_gets_the_data_preprocessor_that_is_given():
    teacher = {'model': tiny.resnet(width=8), 'checkpoint': None}
    images = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    batch = {'inputs': list(images)}
    samples = predictions(torch.zeros(2, 10), [0, 1])
    with pytest.raises(ValueError, match='Add `data_preprocessor='):
        StudentTeacherAgreement(teacher).process(batch, samples)
    metric = StudentTeacherAgreement(
        teacher, data_preprocessor=tiny.PREPROCESSOR
    )
    metric.process(batch, samples)
    expected = tiny.built_teacher(tiny.resnet(width=8)).network
    expected.load_state_dict(metric.teacher.network.state_dict())
    mean, std = 77.8, 95.8
    logits = expected((images.flip(1).float() - mean) / std)
    asked = metric._ask(batch, torch.device('cpu'))
    torch.testing.assert_close(asked, logits, rtol=1e-4, atol=1e-4)


def test_nothing_is_read_before_the_first_batch(tmp_path):
    config = Config({'model': 'none.py', 'checkpoint': 'none.pth'})
    metric = StudentTeacherAgreement(dict(config))
    with pytest.raises(FileNotFoundError, match=r'none\.py'):
        metric.process({'inputs': []}, predictions([[0.0, 1.0]], [0]))


SAMPLE = predictions([[0.0, 1.0]], [0])[0]
BAD_SAMPLES = {
    "'pred_score'": {'gt_label': torch.tensor([0])},
    "'gt_label'": DataSample().set_pred_score([0.5, 0.5]).to_dict(),
    'one label a sample': {**SAMPLE, 'gt_label': torch.tensor([0, 1])},
    'sum to 1': {**SAMPLE, 'pred_score': torch.tensor([0.9, 0.8])},
}


@pytest.mark.parametrize('message', sorted(BAD_SAMPLES))
def test_what_is_no_single_label_prediction_is_refused(message):
    metric = StudentTeacherAgreement(own_teacher())
    with pytest.raises(ValueError, match=message):
        metric.process({'inputs': []}, [BAD_SAMPLES[message]])


def test_other_classes_and_stored_predictions_are_refused():
    metric = StudentTeacherAgreement(own_teacher())
    batch = {'inputs': [torch.zeros(3, 8, 8)]}
    with pytest.raises(ValueError, match='student has 2 and the teacher 10'):
        metric.process(batch, [SAMPLE])
    with pytest.raises(ValueError, match='not on stored predictions'):
        metric.process(None, [SAMPLE])
    with pytest.raises(ValueError, match='Leave out --tta'):
        metric.process({'inputs': [batch['inputs']]}, [SAMPLE])


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match='`temperature` to be positive'):
        StudentTeacherAgreement(own_teacher(), temperature=0.0)
    with pytest.raises(ValueError, match=r'Expected `teacher\.checkpoint`'):
        StudentTeacherAgreement({'model': 'resnet34_8xb32_in1k'})
    for stored in ({'cache': 'x'}, [own_teacher(), {'cache': 'x'}]):
        with pytest.raises(ValueError, match='live teacher.*stored'):
            StudentTeacherAgreement(stored)
