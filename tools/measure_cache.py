"""Measure what stored teachers cost: replay, steps, writing.

mmnkd train configs/demo/baseline_wide_1xb64_digits.py
python tools/measure_cache.py replay step resnet write

Variants run by turns in random order, so that a slow spell hits all alike.
Times are of one CPU thread (time.process_time), as others may use the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.datasets import BaseDataset
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmnkd.cache import ReplayedDataset
from mmnkd.cache.store import Store
from mmnkd.cache.writer import batches_of, write_blocks, writing
from mmnkd.cli.cache import logits_and_classes
from mmnkd.cli.cache import main as cache
from mmnkd.cli.turns import alternate, table
from mmnkd.teacher.source import model_of

DISTILLED = 'configs/demo/nkd_wide_tiny_1xb64_digits.py'
IMAGENET = """
_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
model = dict(
    type='DistilledClassifier',
    teacher=dict(
        model='mmpretrain::resnet/resnet34_8xb32_in1k.py', checkpoint=None),
    distill_losses=dict(nkd=dict(type='NKDLoss')))
pipeline = [
    dict(type='RandomResizedCrop', scale=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(
        _delete_=True, type='RandomImages', count=64, pipeline=pipeline))
train_cfg = dict(max_epochs=2)
"""


@DATASETS.register_module()
class RandomImages(BaseDataset):
    """Images of noise in memory, 1000 classes."""

    METAINFO = {'classes': [str(i) for i in range(1000)]}

    def __init__(self, count, side=256, **options):
        self.count, self.side = count, side
        super().__init__(ann_file='', **options)

    def load_data_list(self):
        """Draw the images."""
        draw = np.random.default_rng(0)
        shape = (self.side, self.side, 3)
        return [
            {'img': draw.integers(0, 255, shape, np.uint8), 'gt_label': i}
            for i in range(self.count)
        ]


def measure_replay(args):
    """Compare a data set that costs nothing with its replay."""
    source = {'type': 'RandomImages', 'count': 16, 'side': 1, 'pipeline': []}
    plain = DATASETS.build(source)
    batch = {'data_samples': DataSample()}
    plain.prepare_data = lambda index: batch
    replayed = ReplayedDataset(plain)

    def read(dataset, views):
        for view in views:
            dataset[view]

    indices = [index % 16 for index in range(2000)]
    calls = {
        'plain': partial(read, plain, indices),
        'replayed': partial(read, replayed, [(3, i) for i in indices]),
    }
    seconds = alternate(calls, args)
    pairs = zip(seconds['plain'], seconds['replayed'])
    costs = [(b - a) / 2000 * 1e6 for a, b in pairs]
    cost, least = median(costs), min(costs)
    print(f'replay: {cost:.1f} µs a sample ({least:.1f} at best)')


class Constant:
    """A teacher that costs nothing."""

    is_built = True

    def __init__(self, classes):
        self.logits = torch.randn(64, classes)

    def build(self, preprocessor, taps):
        """Do nothing: there is nothing to build."""

    def __call__(self, images, taps, samples):
        """Return the same logits for each batch."""
        return {'logits': self.logits[: len(images)]}


@MODELS.register_module()
class BareNKD(ImageClassifier):
    """NKD in a few lines on fixed logits: the least that it can cost."""

    def loss(self, inputs, data_samples):
        """Add NKD to the classifier's loss."""
        student = self.head(self.extract_feat(inputs))
        own = self.head._get_loss(student, data_samples)
        target = torch.cat([sample.gt_label for sample in data_samples])
        i, low = target.unsqueeze(1), torch.finfo(student.dtype).min
        teacher = student.new_ones(1, student.shape[1]).expand_as(student)
        log_s = F.log_softmax(student, 1).gather(1, i)
        of_target = F.softmax(teacher, 1).gather(1, i) * log_s
        p = F.softmax(teacher.scatter(1, i, low), 1)
        q = F.log_softmax(student.scatter(1, i, low), 1)
        nkd = -(of_target.squeeze(1) + 1.5 * (p * q).sum(1)).mean()
        return {'loss_cls': own['loss'], 'loss_nkd': nkd}


def stepper(config, teacher=None):
    """Return a function that trains a step, loading included."""
    config = copy.deepcopy(config)
    init_default_scope('mmpretrain')
    model = MODELS.build(model_of(config))
    model.init_weights()
    model.train()
    if teacher is not None:
        model.teacher = teacher
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)

    def batches():
        epoch = 0
        while True:
            loader.sampler.set_epoch(epoch % 2)
            yield from loader
            epoch += 1

    stream = batches()

    def run():
        data = model.data_preprocessor(next(stream), True)
        losses = model(**data, mode='loss')
        loss, _ = model.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def stored(config, folder, *options):
    """Write a store quietly, and return the config that trains from it."""
    with contextlib.redirect_stdout(io.StringIO()):
        cache([str(config), '--out', str(folder), *options])
    return Config.fromfile(folder / 'cached.py')


def plain_of(cached, kind='ImageClassifier'):
    """Return the plain student on the same views."""
    config = copy.deepcopy(cached)
    config.model.type = kind
    for key in ('teacher', 'distill_losses'):
        config.model.pop(key)
    return config


def with_live(cached, distilled):
    """Return the same views with the live teacher."""
    config = copy.deepcopy(cached)
    config.model.teacher = distilled.model.teacher
    return config


def measure_step(args):
    """Compare steps of the digits' demo."""
    folder = Path(tempfile.mkdtemp())
    short = ('--epochs', '2', '--wrap')
    dense = stored(DISTILLED, folder / 'dense', *short)
    top5 = stored(DISTILLED, folder / 'top', *short, '--topk', '5')
    live = with_live(dense, Config.fromfile(DISTILLED))
    calls = {
        'plain': stepper(plain_of(dense)),
        'bare NKD, fixed logits': stepper(plain_of(dense, 'BareNKD')),
        'NKDLoss, fixed logits': stepper(dense, Constant(10)),
        'stored, dense': stepper(dense),
        'stored, top 5': stepper(top5),
        'live teacher': stepper(live),
    }
    epoch = 19  # short steps: as many rounds of them as an epoch has
    many = argparse.Namespace(**{**vars(args), 'rounds': epoch * args.rounds})
    seconds = alternate(calls, many)
    print(table('digits, replayed, 64 images', seconds, ['plain']))


def measure_resnet(args):
    """Compare steps of ResNet-18 with 8 images of 224x224."""
    folder = Path(tempfile.mkdtemp())
    path = folder / 'imagenet.py'
    path.write_text(IMAGENET, encoding='utf8')
    dense = stored(path, folder / 'dense')
    top10 = stored(path, folder / 'top', '--topk', '10')
    live = Config.fromfile(path)
    plain = copy.deepcopy(live)
    plain.model = plain_of(dense).model
    calls = {
        'plain': stepper(plain),
        'stored, dense': stepper(dense),
        'stored, top 10': stepper(top10),
        'live teacher': stepper(live),
    }
    seconds = alternate(calls, args)
    print(table('ResNet-18, 8x224x224', seconds, ['plain']))


def measure_write(args):
    """Compare writing with loading and the teacher's forward alone."""
    folder = Path(tempfile.mkdtemp())
    config = Config.fromfile(DISTILLED)
    init_default_scope('mmpretrain')
    model = MODELS.build(model_of(config))
    model.teacher.build(model.data_preprocessor)
    dataset = ReplayedDataset(config.train_dataloader.dataset)
    answer = partial(
        logits_and_classes, model.data_preprocessor, model.teacher
    )

    def planned(topk):
        views = {'count': str(len(dataset))}
        place = folder / str(time.time_ns())
        return Store(place, {}, views, 10, topk, 4, 8192, {})

    def stream(store):
        return torch.utils.data.DataLoader(
            dataset,
            batch_sampler=batches_of(store, store.missing, 64),
            collate_fn=pseudo_collate,
        )

    def alone():
        for batch in stream(planned(None)):
            answer(batch)

    def written(topk):
        with writing(planned(topk)) as store:
            pack = store.rows.pack
            batches = stream(store)
            write_blocks(store, batches, lambda batch: pack(*answer(batch)))

    calls = {
        'loading and teacher': alone,
        'written, dense': partial(written, None),
        'written, top 5': partial(written, 5),
    }
    seconds = alternate(calls, args)
    print(table('writing 4804 views', seconds, ['loading and teacher']))


def main():
    """Measure what is asked for."""
    what = {
        'replay': measure_replay,
        'step': measure_step,
        'resnet': measure_resnet,
        'write': measure_write,
    }
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', nargs='+', choices=what)
    parser.add_argument('--rounds', type=int, default=20)
    args = parser.parse_args()
    args.warmup, args.device, args.clock = 1, 'cpu', time.process_time
    torch.set_num_threads(1)
    for name in args.what:
        what[name](args)


if __name__ == '__main__':
    main()
