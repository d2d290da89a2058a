"""The student's images, converted to what the teacher was trained on."""

import pytest
import tiny
import torch
import transformers

from mmnkd.teacher.images import Format, height_and_width


def own_images(model=None, **preprocessor):
    """Return a teacher's config that has a data preprocessor."""
    return {**(model or tiny.resnet()), 'data_preprocessor': preprocessor}


def adapter(model, **options):
    return tiny.built_teacher(model, **options)._built.adapt


FORMATS = [
    {'mean': [123.7, 116.3, 103.5], 'std': [58.4, 57.1, 57.4], 'to_rgb': True},
    {
        'mean': [103.5, 116.3, 123.7],
        'std': [57.4, 57.1, 58.4],
        'to_rgb': False,
    },
    {'mean': [0.0], 'std': [255.0], 'to_rgb': True},
    {'to_rgb': False},
]


@pytest.mark.parametrize('given', FORMATS)
@pytest.mark.parametrize('wanted', FORMATS)
def test_teacher_sees_the_images_as_its_own_preprocessor_makes_them(
    given, wanted
):
    raw = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
    student = tiny.build(own_images(**given)).data_preprocessor
    teacher = tiny.FrozenTeacher(own_images(**wanted), None)
    teacher.build(student)
    seen = teacher.network.data_preprocessor({'inputs': raw})['inputs']
    sent = student({'inputs': raw})['inputs']
    expected = teacher.network(seen)
    actual = teacher(sent)['logits']
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_equal_images_cost_nothing():
    images, _ = tiny.batch()
    for model in (own_images(**tiny.PREPROCESSOR), tiny.resnet()):
        adapt = adapter(model)
        assert adapt(images) is images
        assert repr(adapt) == "the student's"


def test_repr_says_how_images_are_converted():
    model = own_images(mean=[0.0], std=[1.0], to_rgb=False)
    shown = 'channels flipped, other mean and std, resized to (16, 16)'
    assert repr(adapter(model, input_size=16)) == shown


@pytest.mark.parametrize(
    ('size', 'expected'), [(12, (12, 12)), ([6, 10], (6, 10)), (None, (8, 8))]
)
def test_images_are_resized_when_input_size_says_so(size, expected):
    images, _ = tiny.batch()
    adapted = adapter(tiny.resnet(), input_size=size)(images)
    assert tuple(adapted.shape[2:]) == expected


@pytest.mark.parametrize('size', [0, (8, 8, 8), 'big', True, 224.0])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(ValueError, match='input_size` to be a positive int'):
        height_and_width(size)


# Dicts without a data_preprocessor, of other libraries.


def timm(**options):
    return {
        'type': 'TimmClassifier',
        'model_name': 'resnet10t',
        'num_classes': 10,
        **options,
    }


def test_a_timm_teacher_takes_its_own_mean_and_std():
    adapt = adapter(timm())
    gray = torch.full((1, 3, 8, 8), 0.5)  # as the student's preprocessor puts
    raw = (gray * 95.8 + 77.8) / 255  # in [0, 1]
    known = tiny.build(timm()).model.pretrained_cfg
    for channel in range(3):
        expected = raw[:, channel] - known['mean'][channel]
        torch.testing.assert_close(
            adapt(gray)[:, channel], expected / known['std'][channel]
        )


def test_a_data_preprocessor_that_is_written_has_the_last_word():
    adapt = adapter(own_images(timm(), **tiny.PREPROCESSOR))
    assert repr(adapt) == "the student's"


@pytest.mark.parametrize('has_processor', [True, False])
def test_a_hugging_face_teacher_takes_what_its_processor_says(
    has_processor, hugging_face, log_text
):
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    if has_processor:
        processor = transformers.ViTImageProcessor(
            image_mean=mean, image_std=std
        )
        processor.save_pretrained(hugging_face['model_name'])
    found = Format.of_pretrained(tiny.build(hugging_face), hugging_face)
    warning = 'WARNING - The teacher has no `data_preprocessor`'
    assert (warning in log_text()) != has_processor
    assert (found is not None) == has_processor
    if has_processor:
        assert (found.mean / 255).flatten().tolist() == pytest.approx(mean)
        assert (found.std / 255).flatten().tolist() == pytest.approx(std)
        assert found.to_rgb
