"""What the user wrote about a teacher: its arguments, its weights."""

import re

import pytest
import tiny
import torch
from mmpretrain.registry import MODELS

from mmnkd import FrozenTeacher
from mmnkd.checkpoint import load_strictly


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'mode': 'test'}, ValueError, "'eval' or 'train', but got 'test'"),
        ({'input_size': 0}, ValueError, 'input_size.*positive int.*got 0'),
        ({'class_indices': 3}, ValueError, 'class_indices.*got 3'),
        ({'class_indices': [0, -1]}, ValueError, r'indices.*got \[0, -1\]'),
        ({'class_indices': []}, ValueError, r'class_indices.*got \[\]'),
        ({'dtype': 'float64'}, ValueError, "'bfloat16', 'float16'.*'float64'"),
        ({'dtype': torch.float32}, ValueError, r'got torch\.float32'),
        (
            {'mode': 'train', 'dtype': 'bfloat16'},
            ValueError,
            "no `dtype` or `compile`.*mode 'train'",
        ),
        ({'mode': 'train', 'compile': True}, ValueError, "in mode 'train'"),
        ({'checkpoint': True}, TypeError, 'a path, a URL or None.*got True'),
    ],
)
def test_bad_options_are_refused_before_anything_is_read(
    options, error, message
):
    with pytest.raises(error, match=message):
        FrozenTeacher('no/such.py', **{'checkpoint': None, **options})


def test_a_teacher_answers_only_once_it_is_built():
    teacher = FrozenTeacher('resnet34_8xb32_in1k', checkpoint=None)
    assert teacher.network is None
    assert re.search('resnet34_8xb32_in1k.*not built yet', repr(teacher))
    with pytest.raises(RuntimeError, match=r'`build\(\)` before the first'):
        teacher(tiny.batch()[0])


def test_a_second_build_checks_its_taps():
    teacher = tiny.built_teacher()
    network = teacher.network
    preprocessor = network.data_preprocessor
    with pytest.raises(ValueError, match=r"tap to name.*'no.such.tap'"):
        teacher.build(preprocessor, ['no.such.tap'])
    teacher.build(preprocessor, ['backbone.layer2'])
    assert teacher.network is network


def test_weights_are_loaded_from_a_file(tmp_path, log_text):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save({'state_dict': weights}, tmp_path / 'weights.pth')
    path = str(tmp_path / 'weights.pth')
    teacher = tiny.built_teacher(tiny.resnet(), checkpoint=path)
    assert tiny.same(teacher.network.state_dict(), weights)
    assert path in log_text()
    assert path in repr(teacher)


def test_a_teacher_without_checkpoint_is_a_warning(log_text):
    tiny.built_teacher()
    assert 'WARNING - The teacher has no `checkpoint`' in log_text()


def test_checkpoint_none_keeps_the_models_own_initialization(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save(weights, tmp_path / 'weights.pth')
    init = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'weights.pth')}
    teacher = tiny.built_teacher({**tiny.resnet(), 'init_cfg': init})
    assert tiny.same(teacher.network.state_dict(), weights)


def test_checkpoint_none_keeps_what_timm_loaded(monkeypatch):
    timm = pytest.importorskip('timm.models')
    create = timm.create_model

    def create_pretrained(*args, pretrained, **kwargs):
        assert pretrained
        model = create(*args, **kwargs)
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, 0.01)
        return model

    monkeypatch.setattr(timm, 'create_model', create_pretrained)
    model = {'type': 'TimmClassifier', 'pretrained': True, 'depth': 1}
    teacher = tiny.built_teacher(
        {**model, 'model_name': 'vit_tiny_patch16_224'}
    )
    assert all((p == 0.01).all() for p in teacher.network.parameters())


@MODELS.register_module()
class Bare(torch.nn.Module):
    """A network that is no BaseModule of mmengine."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = None
        self.fc = torch.nn.Linear(3, 10)

    def forward(self, images):
        return self.fc(images.mean(dim=(2, 3)))


def test_a_network_without_init_weights_is_a_teacher_too():
    teacher = tiny.built_teacher({'type': 'Bare'})
    assert teacher(tiny.batch()[0])['logits'].shape == (6, 10)


def test_building_takes_no_random_numbers_of_the_student():
    torch.manual_seed(0)
    expected = torch.rand(3)
    preprocessor = tiny.build(tiny.resnet()).data_preprocessor
    torch.manual_seed(0)
    FrozenTeacher(**tiny.teacher()).build(preprocessor)
    assert torch.equal(torch.rand(3), expected)


def swin(kind, size, window):
    arch = {'embed_dims': 8, 'depths': [1, 1], 'num_heads': [1, 2]}
    if kind == 'SwinTransformerV2':
        arch['extra_norm_every_n_blocks'] = 0
        window = [window, window]
    return {
        'type': 'ImageClassifier',
        'backbone': {
            'type': kind,
            'arch': arch,
            'img_size': size,
            'window_size': window,
            'out_indices': (1,),
        },
        'neck': {'type': 'GlobalAveragePooling'},
        'head': {
            'type': 'LinearClsHead',
            'num_classes': 10,
            'in_channels': 16,
        },
    }


@pytest.fixture
def interpolates(monkeypatch):
    """Give scipy back a function that Swin's own hook calls."""
    interpolate = pytest.importorskip('scipy.interpolate')

    def interp2d(x, y, z, kind):
        spline = interpolate.RectBivariateSpline(y, x, z)
        return lambda x, y: spline(y, x)

    monkeypatch.setattr(interpolate, 'interp2d', interp2d)


@pytest.mark.usefixtures('interpolates')
@pytest.mark.parametrize('kind', ['SwinTransformer', 'SwinTransformerV2'])
@pytest.mark.parametrize(('size', 'window'), [(32, 4), (64, 8)])
def test_a_swin_of_another_window_loads_strictly(kind, size, window, tmp_path):
    # Its own hooks take tables from the weights and make them anew.
    weights = tiny.build(swin(kind, 32, 4)).state_dict()
    assert any('relative_position_index' in name for name in weights)
    torch.save(dict(weights), tmp_path / 'swin.pth')
    teacher = tiny.built_teacher(
        swin(kind, size, window), checkpoint=tmp_path / 'swin.pth'
    )
    loaded = teacher.network.state_dict()
    for name in ('backbone.patch_embed.projection.weight', 'head.fc.bias'):
        assert torch.equal(loaded[name], weights[name])
    logits = teacher(tiny.batch(2, size)[0])['logits']
    assert torch.isfinite(logits).all()
    del weights['head.fc.bias']
    with pytest.raises(ValueError, match=r'missing: head\.fc\.bias\. Is it'):
        load_strictly(tiny.build(swin(kind, size, window)), weights, 'x.pth')


def test_what_a_models_own_hook_raises_is_not_taken_for_shapes():
    network = tiny.build(tiny.resnet())

    def fail(*args):
        raise NotImplementedError('gone from scipy')

    network._register_load_state_dict_pre_hook(fail)
    with pytest.raises(NotImplementedError, match='^gone from scipy$'):
        load_strictly(network, network.state_dict(), 'x.pth')
