"""A built teacher: its logits, its features, its classes."""

import pytest
import tiny
import torch
from mmengine.config import Config


def images(n=2, size=8):
    return tiny.batch(n, size)[0]


def test_class_indices_pick_the_students_classes():
    chosen = [11, 3, 0, 1, 2, 4, 5, 6, 7, 8]
    model = tiny.resnet(classes=12)
    options = {'class_indices': chosen, 'accelerate': False}
    teacher = tiny.built_teacher(model, **options)
    everything = teacher.network(images())
    assert torch.equal(teacher(images())['logits'], everything[:, chosen])


def test_class_indices_hold_for_a_named_module_of_logits():
    chosen = list(range(9, -1, -1))
    options = {'logits_tap': 'head.fc', 'class_indices': chosen}
    teacher = tiny.built_teacher(**options)
    everything = teacher.network(images())
    torch.testing.assert_close(
        teacher(images())['logits'], everything[:, chosen]
    )


def test_class_indices_beyond_the_teacher_are_an_error():
    teacher = tiny.built_teacher(class_indices=list(range(1, 11)))
    with pytest.raises(ValueError, match='the 10 classes.*but got 10'):
        teacher(images())


def test_taps_of_the_teacher_are_recorded_without_a_gradient():
    taps = ['backbone.layer2', 'head.fc.weight', 'logits']
    teacher = tiny.built_teacher(taps=taps)
    outputs = teacher(images(), taps)
    assert outputs['backbone.layer2'].shape == (2, 16, 4, 4)
    assert torch.equal(
        outputs['head.fc.weight'], teacher.network.head.fc.weight
    )
    assert not any(output.requires_grad for output in outputs.values())


def test_a_tap_that_is_no_sub_module_is_found_when_it_is_built():
    with pytest.raises(ValueError, match=r"teacher ImageClass.*'neck2'"):
        tiny.built_teacher(taps=['neck2'])
    with pytest.raises(ValueError, match=r"teacher ImageClass.*'head.fc2'"):
        tiny.built_teacher(logits_tap='head.fc2')


def test_a_teacher_follows_its_images_to_another_device():
    options = {'class_indices': [0, 1], 'dtype': 'bfloat16'}
    teacher = tiny.built_teacher(**options)
    teacher(images())
    outputs = teacher(images().to('meta'), ['logits', 'head.fc.weight'])
    assert all(output.is_meta for output in outputs.values())


@pytest.mark.parametrize('input_size', [None, 12])
def test_images_of_another_size_than_the_teachers_are_a_warning(
    input_size, tmp_path, log_text
):
    crop = {'type': 'CenterCrop', 'crop_size': 12}
    config = Config({'model': tiny.resnet(), 'test_pipeline': [crop]})
    config.dump(tmp_path / 'teacher.py')
    path = str(tmp_path / 'teacher.py')
    teacher = tiny.built_teacher(path, input_size=input_size)
    for _ in range(2):
        teacher(images())
    warnings = log_text().count('input_size=(12, 12)')
    assert warnings == (1 if input_size is None else 0)


def test_a_teacher_of_features_needs_no_logits():
    model = {**tiny.resnet(8), 'head': None, 'neck': None}
    teacher = tiny.built_teacher(model, taps=['backbone.layer2'])
    (expected,) = teacher.network(images())
    outputs = teacher(images(), ['backbone.layer2'])
    torch.testing.assert_close(outputs['backbone.layer2'], expected)


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (
            {**tiny.resnet(), 'neck': None, 'head': {'type': 'ClsHead'}},
            r'tensor of shape \(2, 8, 4, 4\).*no linear layer is there',
        ),
        (
            {
                **tiny.resnet(),
                'head': {
                    'type': 'MultiTaskHead',
                    'task_heads': {
                        'a': {'type': 'LinearClsHead', 'num_classes': 10}
                    },
                    'in_channels': 8,
                },
            },
            r"a dict\. Set `teacher.logits_tap='head.task_heads.a.fc'`",
        ),
    ],
)
def test_what_is_no_logits_says_what_came_and_which_tap_to_name(
    model, message
):
    teacher = tiny.built_teacher(model)
    with pytest.raises(ValueError, match=message):
        teacher(images())
