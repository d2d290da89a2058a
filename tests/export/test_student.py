"""The student alone, from files of mmnkd and of others, for other programs."""

import json

import numpy as np
import pytest
import tiny
import torch
from mmengine.config import Config
from mmpretrain import ImageClassificationInferencer
from safetensors import safe_open

from mmnkd.checkpoint import read_state_dict
from mmnkd.export import export_student, read_student

NAMES = [str(digit) for digit in range(10)]


def files_of_others(path):
    """Return files with a student and a teacher inside, and the student."""
    torch.manual_seed(5)
    model, teacher = tiny.build(tiny.resnet()), tiny.build(tiny.resnet(8))
    weights, others = model.state_dict(), teacher.state_dict()

    def named(prefix, names, **more):
        named = {f'{prefix}{k}': v for k, v in names.items()}
        return {**named, **more}

    one = torch.ones(1)
    teachers = named('teacher.', others)
    contents = {
        'cls_KD': {
            'meta': {'CLASSES': NAMES, 'hook_msgs': {'best': np.float64(1)}},
            'state_dict': named(
                'student.', weights, **teachers, **{'distill_losses.a.w': one}
            ),
        },
        'MMRazor': {
            'meta': {'dataset_meta': {'classes': NAMES}},
            'state_dict': named(
                'architecture.', weights, **teachers, **{'distiller.c.w': one}
            ),
        },
        'MMRazor 0.x': {
            'meta': {'CLASSES': tuple(NAMES)},
            'state_dict': named(
                'architecture.model.',
                weights,
                **named('distiller.teacher.', others),
            ),
        },
    }
    for name, content in contents.items():
        torch.save(content, path / f'{name}.pth')
    return weights


@pytest.mark.parametrize(
    'origin',
    [
        # Has a number of NumPy.
        pytest.param('cls_KD', marks=tiny.needs_safe_globals),
        'MMRazor',
        'MMRazor 0.x',
    ],
)
def test_a_student_is_taken_out_of_a_distiller_of_others(tmp_path, origin):
    weights = files_of_others(tmp_path)
    source = str(tmp_path / f'{origin}.pth')
    told = export_student(source, tmp_path / 'x.pth')
    assert told['origin'] == origin.split()[0]
    exported = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert tiny.same(exported['state_dict'], weights)
    assert list(exported['meta']) == ['dataset_meta']
    tiny.build(tiny.resnet()).load_state_dict(exported['state_dict'])
    inferencer = ImageClassificationInferencer(
        inference_config(), pretrained=str(tmp_path / 'x.pth'), device='cpu'
    )
    assert list(inferencer.classes) == NAMES


def inference_config():
    dataset = {'type': 'Digits', 'pipeline': [{'type': 'PackInputs'}]}
    return Config(
        {
            'model': tiny.resnet(),
            'data_preprocessor': dict(tiny.PREPROCESSOR),
            'test_dataloader': {'dataset': dataset},
        }
    )


def test_timms_own_names_are_left_alone(tmp_path):
    names = ['model.conv1.weight', 'model.fc.bias']
    weights = {name: torch.ones(1) for name in names}
    torch.save(weights, tmp_path / 'plain.pth')
    inside = {f'architecture.{name}': v for name, v in weights.items()}
    torch.save(inside, tmp_path / 'razor.pth')
    for file in ('plain.pth', 'razor.pth'):
        assert list(read_student(str(tmp_path / file)).weights) == names


def test_a_student_with_unknown_parts_beside_it_is_refused(tmp_path):
    content = {'student.a': torch.ones(1), 'student_ema.a': torch.ones(1)}
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=r"cls_KD.*but got \['student_ema.a'"):
        read_student(str(tmp_path / 'x.pth'))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Train one epoch with EMA and a loss that has parameters."""
    folder = tmp_path_factory.mktemp('trained')
    losses = {'mine': {'type': 'Projected'}}
    ema = [{'type': 'EMAHook', 'momentum': 0.1}]
    tiny.train(tiny.distilled(losses=losses), folder, custom_hooks=ema)
    return folder / 'epoch_1.pth'


@pytest.fixture
def config(tmp_path):
    """Write the config of the plain student."""
    text = Config({'model': tiny.resnet(), 'test_pipeline': []})
    text.data_preprocessor = dict(tiny.PREPROCESSOR)
    text.dump(tmp_path / 'config.py')
    return str(tmp_path / 'config.py')


@tiny.needs_safe_globals
def test_an_exported_student_is_a_plain_one(trained, tmp_path):
    saved, out = tiny.saved(trained), tmp_path / 'out' / 'x.pth'
    assert 'distill_losses.mine.project.weight' in saved['state_dict']
    export_student(str(trained), out)
    exported = torch.load(out, weights_only=True)
    assert set(exported) == {'state_dict', 'meta'}
    assert exported['meta'] == saved['meta']
    plain = tiny.build(tiny.resnet())
    plain.load_state_dict(exported['state_dict'], strict=True)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, saved['state_dict'][key])
    with pytest.raises(FileExistsError, match=r'no file at.*x\.pth'):
        export_student(str(trained), out)


@tiny.needs_safe_globals
def test_the_average_or_what_was_averaged_is_taken(trained):
    saved = tiny.saved(trained)
    mine = 'distill_losses.mine.project.weight'
    averaged = read_student(str(trained), ema=False).weights
    assert mine not in averaged
    for name, value in averaged.items():
        assert torch.equal(value, saved['ema_state_dict'][f'module.{name}'])
    average = read_student(str(trained)).weights
    assert average.keys() == averaged.keys()
    assert not tiny.same(average, averaged)


def test_without_ema_there_is_one_set_of_weights(tmp_path):
    torch.save({'a': torch.ones(1)}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=r'with EMA.*without --no-ema'):
        read_student(str(tmp_path / 'x.pth'), ema=False)


@tiny.needs_safe_globals
def test_safetensors_have_the_weights_and_the_classes(trained, tmp_path):
    out = tmp_path / 'x.safetensors'
    export_student(str(trained), out)
    plain = tiny.build(tiny.resnet())
    plain.load_state_dict(read_state_dict(str(out)), strict=True)
    assert tiny.same(plain.state_dict(), read_student(str(trained)).weights)
    with safe_open(out, 'pt') as file:
        assert json.loads(file.metadata()['classes']) == NAMES


def test_weights_that_share_memory_are_written(tmp_path):
    weight = torch.arange(6.0).view(2, 3)
    torch.save({'a': weight, 'b': weight.t()}, tmp_path / 'x.pth')
    export_student(str(tmp_path / 'x.pth'), tmp_path / 'x.safetensors')
    loaded = read_state_dict(str(tmp_path / 'x.safetensors'))
    assert torch.equal(loaded['b'], weight.t())


def test_a_checkpoint_without_meta_is_exported_without(tmp_path):
    torch.save(tiny.build(tiny.resnet()).state_dict(), tmp_path / 'bare.pth')
    told = export_student(str(tmp_path / 'bare.pth'), tmp_path / 'y.pth')
    assert told['classes'] is None
    assert set(tiny.saved(tmp_path / 'y.pth')) == {'state_dict'}


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path, config):
    other = tiny.build(tiny.resnet(classes=7)).state_dict()
    torch.save(other, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=r'shapes: size mismatch for head.fc'):
        export_student(str(tmp_path / 'x.pth'), tmp_path / 'y.pth', config)
    assert not (tmp_path / 'y.pth').exists()


@pytest.mark.parametrize('name', ['x.pt', 'x', 'x.pth.tar'])
def test_another_suffix_is_refused(tmp_path, trained, name):
    with pytest.raises(ValueError, match=r'ends in .pth, .safetensors, .onnx'):
        export_student(str(trained), tmp_path / name)


def test_an_onnx_needs_a_config(trained, tmp_path):
    with pytest.raises(ValueError, match=r'Give --config'):
        export_student(str(trained), tmp_path / 'x.onnx')
