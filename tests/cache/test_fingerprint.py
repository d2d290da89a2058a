import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmpretrain.datasets import CustomDataset
from tiny import Projected, build, nkd, resnet
from views import cache, replayed

from mmnkd.cache import CachedTeacher, ReplayedDataset
from mmnkd.cache.fingerprint import pipeline_hash, weights_hash
from mmnkd.losses import MeasuredLoss


def folder_of_images(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'PackInputs'}]
    return CustomDataset(data_root=str(root), pipeline=pipeline)


def replay_of(dataset):
    replayed = ReplayedDataset(dataset)
    replayed.full_init()
    return replayed.replay


def test_files_may_move_but_not_change_their_names(tmp_path):
    names = ['cat/1.png', 'cat/2.png', 'dog/1.png']
    first = replay_of(folder_of_images(tmp_path / 'a', names))
    assert replay_of(folder_of_images(tmp_path / 'b', names)) == first
    names[1] = 'cat/3.png'
    assert replay_of(folder_of_images(tmp_path / 'c', names)) != first


def test_a_data_set_that_names_no_samples_is_refused():
    numbers = torch.utils.data.TensorDataset(torch.zeros(2))
    with pytest.raises(TypeError, match='TensorDataset has no `get_data_info'):
        replay_of(numbers)


def test_samples_without_a_file_are_told_by_all_that_is_known():
    def replay(name):
        named = BaseDataset(serialize_data=False, lazy_init=True)
        named.load_data_list = lambda: [{'name': name, 'gt_label': 3}]
        return replay_of(named)

    assert replay('a') == replay('a') != replay('b')


def test_a_pipeline_of_an_object_is_told_by_its_text(tmp_path):
    dataset = folder_of_images(tmp_path, ['cat/1.png'])
    assert ' at 0x' in repr(object())
    before = pipeline_hash(dataset)
    assert pipeline_hash(dataset) == before
    dataset.pipeline.transforms.append(object())
    assert pipeline_hash(dataset) != before
    nested = {'type': 'ConcatDataset', 'datasets': [{'pipeline': [1]}]}
    assert pipeline_hash(nested) != pipeline_hash({**nested, 'datasets': []})


def test_weights_are_told_by_every_bit_and_name():
    network = torch.nn.BatchNorm1d(3).bfloat16()
    before = weights_hash(network)
    network.running_mean[1] += 1e-2
    assert weights_hash(network) != before


class Sized(MeasuredLoss):
    """A loss that measures how many logits the teacher has."""

    def __init__(self):
        super().__init__({'classes': None})

    def sizes(self, student, teacher):
        return {'classes': teacher.shape[1]}

    def build(self):
        self.scale = torch.nn.Parameter(torch.ones(self.classes))

    def forward(self, student, teacher, target):
        return (self.scale * (student - teacher)).square().mean()


def test_losses_measure_the_logits_of_a_store(tmp_path):
    folder = cache(tmp_path).parent
    config = {**resnet(), 'type': 'DistilledClassifier'}
    losses = {'sized': Sized(), 'projected': Projected(), **nkd()}
    config.update(teacher={'cache': str(folder)}, distill_losses=losses)
    model = build(config)
    assert model.distill_losses['sized'].scale.shape == (10,)
    model.init_weights()
    samples = [replayed(count=40)[0, k]['data_samples'] for k in range(4)]
    total = model.loss(torch.randn(4, 3, 8, 8), samples)
    assert total['loss_sized'].isfinite()


def test_other_samples_of_a_multi_task_are_refused_by_top_k(tmp_path):
    folder = cache(tmp_path, '--topk', '3').parent
    teacher = CachedTeacher(folder)
    teacher.build(torch.nn.Identity())
    sample = replayed(count=40)[0, 1]['data_samples']
    del sample.gt_label
    with pytest.raises(ValueError, match='samples with a label'):
        teacher(torch.zeros(1, 3, 8, 8), samples=[sample])
