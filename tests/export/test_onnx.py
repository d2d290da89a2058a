"""The student as an ONNX file: its numbers, its metadata, what is refused."""

import json

import pytest
import tiny
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from torch import nn

from mmnkd.export import export_student

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')


@ROOT_MODELS.register_module()
class OddNeck(nn.Module):
    """A user's neck: an operator that ONNX lacks, one batch size, noise."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, features):
        pooled = features[-1].mean((2, 3))
        if self.kind == 'operator':
            return (torch.special.bessel_j0(pooled),)
        if self.kind == 'noise':
            return (pooled + torch.rand_like(pooled),)
        return (pooled.reshape(2, -1) if len(pooled) == 2 else pooled,)


def export(folder, model, classes=10, **options):
    """Export a random network; return what is told, and the network."""
    network = tiny.build(model).eval()
    names = [f'class {number}' for number in range(classes)]
    meta = {'dataset_meta': {'classes': names}}
    weights = network.state_dict()
    torch.save({'state_dict': weights, 'meta': meta}, folder / 'x.pth')
    preprocessor = {'mean': [77.8] * 3, 'std': [95.8] * 3, 'to_rgb': True}
    config = Config({'model': model, 'data_preprocessor': preprocessor})
    config.dump(folder / 'config.py')
    source, target = str(folder / 'x.pth'), folder / 'x.onnx'
    options.setdefault('image_size', (8, 8))
    told = export_student(source, target, str(folder / 'config.py'), **options)
    return told, network


# With windows that are shifted in each second block.
SWIN = {
    'type': 'ImageClassifier',
    'backbone': {
        'type': 'SwinTransformer',
        'arch': {'embed_dims': 8, 'depths': [2, 2], 'num_heads': [2, 2]},
        'img_size': 8,
        'patch_size': 1,
        'window_size': 2,
        'out_indices': (1,),
    },
    'neck': {'type': 'GlobalAveragePooling'},
    'head': {'type': 'LinearClsHead', 'num_classes': 10, 'in_channels': 16},
}


@pytest.mark.parametrize(
    'model',
    [tiny.resnet(), tiny.vit(), SWIN],
    ids=['resnet', 'vit', 'swin'],
)
def test_onnxruntime_gives_the_logits_of_pytorch(tmp_path, model):
    told, network = export(tmp_path, model)
    assert told['image_size'] == (8, 8)
    assert sorted(told['differences']) == [1, 7]
    assert max(told['differences'].values()) < 1e-5 * told['largest_logit']
    session = onnxruntime.InferenceSession(tmp_path / 'x.onnx')
    images = torch.randn(5, 3, 8, 8)  # a batch size that wasn't compared
    (logits,) = session.run(['logits'], {'images': images.numpy()})
    with torch.no_grad():
        expected = network(images)
    torch.testing.assert_close(torch.from_numpy(logits), expected)
    check_metadata(session)


def check_metadata(session):
    (images,), (logits,) = session.get_inputs(), session.get_outputs()
    assert images.shape == ['batch', 3, 8, 8]
    assert logits.shape == ['batch', 10]
    saved = session.get_modelmeta().custom_metadata_map
    assert {name: json.loads(value) for name, value in saved.items()} == {
        'classes': [f'class {number}' for number in range(10)],
        'mean': [77.8] * 3,
        'std': [95.8] * 3,
        'channel_order': 'RGB',
        'image_size': [8, 8],
    }


def refused(folder, message, model, **options):
    with pytest.raises(ValueError, match=message):
        export(folder, model, **options)
    assert sorted(p.name for p in folder.iterdir()) == ['config.py', 'x.pth']


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        ('operator', 'bessel_j0.*or write a .pth'),
        ('batch', 'its forward is for 2'),
        ('noise', 'differ by up to'),
    ],
)
def test_a_network_that_onnx_cannot_hold_is_refused(tmp_path, kind, message):
    neck = {'type': 'OddNeck', 'kind': kind, '_scope_': 'mmengine'}
    refused(tmp_path, message, {**tiny.resnet(), 'neck': neck})


def test_names_of_other_classes_are_refused(tmp_path):
    refused(tmp_path, 'names of 10 classes.* has 7', tiny.resnet(), classes=7)


def test_without_an_image_size_there_is_no_onnx(tmp_path):
    refused(tmp_path, '--image-size', tiny.resnet(), image_size=None)


def test_a_missing_package_is_told_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr('mmnkd.registry.find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "mmnkd\[onnx\]"'):
        export(tmp_path, tiny.resnet())
