"""Measure stored teachers: cost of replay, speed of steps, memory, accuracy.

python tools/train.py configs/demo/baseline_wide_1xb64_digits.py
python tools/measure_cache.py replay step resnet write memory sizes
python tools/measure_cache.py accuracy --out docs/figures/cache

Variants run by turns in random order, so that a slow spell hits all alike.
Times are of one CPU thread (time.process_time), as others may use the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import math
import multiprocessing
import random
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmnkd.cache import CachedTeacher, ReplayedDataset
from mmnkd.cache.rows import Rows
from mmnkd.cache.store import Store, library_versions
from mmnkd.cache.writer import batches_of, write_blocks, writing
from mmnkd.cli.cache import logits_and_classes
from mmnkd.cli.cache import main as cache

DISTILLED = 'configs/demo/nkd_wide_tiny_1xb64_digits.py'
COUNTS = (1, 2, 5)


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


def by_turns(calls, rounds):
    """Return each call's seconds, every round in a new order."""
    seconds = {name: [] for name in calls}
    for call in calls.values():
        call()
    order = list(calls)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            start = time.process_time()
            calls[name]()
            seconds[name].append(time.process_time() - start)
    return seconds


def report(title, seconds, base, unit=1e3, name='ms'):
    print(title)
    for variant, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds[base])]
        middle = statistics.median(ratios)
        low, _, high = statistics.quantiles(ratios, n=4)
        print(
            f'  {variant:24} {unit * statistics.median(values):9.2f} {name}, '
            f'{middle:.3f} of {base} (quartiles {low:.3f} to {high:.3f}, '
            f'n = {len(values)})'
        )


def measure_replay(args):
    """Compare a data set that costs nothing with its replay."""
    plain = DATASETS.build(
        {'type': 'RandomImages', 'count': 16, 'side': 1, 'pipeline': []}
    )
    batch = {'data_samples': DataSample()}
    plain.prepare_data = lambda index: batch
    replayed = ReplayedDataset(plain)
    replayed.full_init()

    def alone():
        for index in range(2000):
            plain[index % 16]

    def again():
        for index in range(2000):
            replayed[3, index % 16]

    seconds = by_turns({'plain': alone, 'replayed': again}, 20)
    costs = [
        (b - a) / 2000 * 1e6
        for a, b in zip(seconds['plain'], seconds['replayed'])
    ]
    print(
        f'replay: {statistics.median(costs):.1f} µs a sample '
        f'(fastest {min(costs):.1f}, n = {len(costs)})'
    )


class Constant:
    """A teacher that costs nothing."""

    is_built = True

    def __init__(self, classes):
        self.logits = torch.randn(1, classes)

    def __call__(self, images, taps, samples):
        """Return the same logits for all images."""
        return {'logits': self.logits.expand(len(images), -1)}


def stepper(config, steps, teacher=None):
    """Return a function that trains some steps, loading included."""
    config = copy.deepcopy(config)
    config.work_dir = tempfile.mkdtemp()
    config.log_level = 'ERROR'
    init_default_scope('mmpretrain')
    if config.get('data_preprocessor') is not None:
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
    model = MODELS.build(config.model)
    with contextlib.redirect_stdout(io.StringIO()):
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
        for _ in range(steps):
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


def plain_of(cached):
    """Return the plain student on the same views."""
    config = copy.deepcopy(cached)
    config.model.type = 'ImageClassifier'
    for key in ('teacher', 'distill_losses'):
        config.model.pop(key)
    return config


def with_live(cached, distilled):
    config = copy.deepcopy(cached)
    config.model.teacher = distilled.model.teacher
    return config


def measure_step(args):
    """Compare steps of the digits' demo."""
    folder = Path(tempfile.mkdtemp())
    dense = stored(DISTILLED, folder / 'dense', '--epochs', '2', '--wrap')
    top5 = stored(
        DISTILLED, folder / 'top', '--epochs', '2', '--wrap', '--topk', '5'
    )
    base = Config.fromfile(DISTILLED)
    calls = {
        'plain, replayed': stepper(plain_of(dense), 19),
        'loss on fixed logits': stepper(dense, 19, Constant(10)),
        'stored, dense': stepper(dense, 19),
        'stored, top 5': stepper(top5, 19),
        'live teacher': stepper(with_live(dense, base), 19),
    }
    seconds = by_turns(calls, args.rounds)
    report('digits, 19 steps of 64:', seconds, 'plain, replayed')


def _imagenet(folder, teacher_depth=34):
    """Write a ResNet-34 to ResNet-18 config on random images."""

    def network(depth):
        return {
            'type': 'ImageClassifier',
            'backbone': {'type': 'ResNet', 'depth': depth},
            'neck': {'type': 'GlobalAveragePooling'},
            'head': {
                'type': 'LinearClsHead',
                'num_classes': 1000,
                'in_channels': 512,
            },
        }

    pipeline = [
        {'type': 'RandomResizedCrop', 'scale': 224},
        {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'},
        {'type': 'PackInputs'},
    ]
    config = Config(
        {
            'default_scope': 'mmpretrain',
            'data_preprocessor': {
                'mean': [123.7] * 3,
                'std': [58.4] * 3,
                'to_rgb': True,
            },
            'model': {
                **network(18),
                'type': 'DistilledClassifier',
                'teacher': {'model': network(34), 'checkpoint': None},
                'distill_losses': {'nkd': {'type': 'NKDLoss'}},
            },
            'train_dataloader': {
                'batch_size': 8,
                'num_workers': 0,
                'dataset': {
                    'type': 'RandomImages',
                    'count': 64,
                    'pipeline': pipeline,
                },
                'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            },
            'train_cfg': {'by_epoch': True, 'max_epochs': 2},
        }
    )
    config.dump(folder / 'imagenet.py')
    return folder / 'imagenet.py'


def measure_resnet(args):
    """Compare steps of ResNet-18 with 8 images of 224x224."""
    folder = Path(tempfile.mkdtemp())
    path = _imagenet(folder)
    dense = stored(path, folder / 'dense')
    top10 = stored(path, folder / 'top', '--topk', '10')
    live = Config.fromfile(path)
    plain = copy.deepcopy(live)
    plain.model = plain_of(dense).model
    calls = {
        'plain': stepper(plain, 1),
        'stored, dense': stepper(dense, 1),
        'stored, top 10': stepper(top10, 1),
        'live teacher': stepper(live, 1),
    }
    seconds = by_turns(calls, args.rounds)
    report('ResNet-18, 8x224x224:', seconds, 'plain')


def measure_write(args):
    """Compare writing with loading and the teacher's forward alone."""
    folder = Path(tempfile.mkdtemp())
    config = Config.fromfile(DISTILLED)
    init_default_scope('mmpretrain')
    config.model.data_preprocessor = config.data_preprocessor
    model = MODELS.build(config.model)
    model.teacher.build(model.data_preprocessor)
    loader = config.train_dataloader
    dataset = DATASETS.build(
        {'type': 'ReplayedDataset', 'dataset': loader.dataset}
    )
    dataset.full_init()

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
            rows = store.rows
            write_blocks(
                store, stream(store), lambda batch: rows.pack(*answer(batch))
            )

    calls = {
        'loading and teacher': alone,
        'written, dense': lambda: written(None),
        'written, top 5': lambda: written(5),
    }
    seconds = by_turns(calls, args.rounds)
    report('writing 4804 views:', seconds, 'loading and teacher')


def _resident():
    """Return the MB of memory that isn't page cache."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (line,) = [text for text in lines if text.startswith('RssAnon')]
    return int(line.split()[1]) / 1024


def measure_memory(args):
    """Write stores of two sizes, and read random views of them.

    Each in a process of its own, so that nothing freed before is used again.
    """
    context = multiprocessing.get_context('fork')
    for views in (8192 * 4, 8192 * 64):
        with tempfile.TemporaryDirectory() as folder:
            store = Store(
                folder=Path(folder),
                teacher={},
                views={'count': str(views)},
                classes=1000,
                topk=None,
                epochs=1,
                block_size=Rows(1000, None).block_size,
                versions=library_versions(),
            )
            print(f'memory, a store of {views * 2000 / 1e6:.0f} MB:')
            for job in (_write_zeros, _read_some):
                process = context.Process(target=job, args=(store,))
                process.start()
                process.join()


def _write_zeros(store):
    before, peak = _resident(), 0.0

    def answer(batch):
        nonlocal peak
        peak = max(peak, _resident())
        return torch.zeros(len(batch), 1000, dtype=torch.float16)

    with writing(store):
        write_blocks(store, batches_of(store, store.missing, 256), answer)
    print(f'  {peak - before:.1f} MB to write it')


def _read_some(store):
    before, peak = _resident(), 0.0
    teacher = CachedTeacher(store.folder)
    teacher.build(torch.nn.Identity())
    draw = random.Random(0)
    images = torch.zeros(256, 1, 1, 1)
    text = json.dumps(store.views)
    for _ in range(200):
        samples = []
        for _ in range(256):
            sample = DataSample()
            view = (0, draw.randrange(store.count))
            sample.set_field(view, 'view', field_type='metainfo')
            sample.set_field(text, 'replay', field_type='metainfo')
            samples.append(sample)
        teacher(images, samples=samples)
        peak = max(peak, _resident())
    print(f'  {peak - before:.1f} MB to read it')


def measure_sizes(args):
    """Print sizes, and from which run on the writing has paid.

    On paper, in steps of the plain student: a teacher's forward is 0.5 of
    them, 0.185 in bfloat16 (docs/performance.md), and writing 1.05 of the
    forward. The digits are measured, loading included.
    """
    forward, bf16, factor = 0.5, 0.185, 1.05
    data = (
        ('CIFAR-100, 200 epochs', 50000, 200, 200, 100),
        ('ImageNet, 100 epochs', 1281167, 100, 100, 1000),
        ('ImageNet, 100 epochs, 20 stored', 1281167, 20, 100, 1000),
    )
    print(
        '| training | views stored | dense | K = 10 | K = 32 | pays from run '
        '| all in bf16 | stored in float32, against live in bf16 |'
    )
    print('| --- |' + ' ---: |' * 7)
    for name, count, stored_epochs, epochs, classes in data:
        views = count * stored_epochs
        sizes = [
            f'{views * Rows(classes, k).bytes / 1e9:.3g} GB'
            for k in (None, 10, 32)
        ]
        share = factor * stored_epochs / epochs
        runs = [share, share, share * forward / bf16]
        cells = [
            f'{views / 1e6:.3g} M',
            *sizes,
            *(str(math.floor(r) + 1) for r in runs),
        ]
        print(f'| {name} | ' + ' | '.join(cells) + ' |')


def _top1(config, seed):
    """Train, and return the last epoch's test accuracy."""
    config = copy.deepcopy(config)
    config.randomness = {'seed': seed}
    config.work_dir = tempfile.mkdtemp()
    config.log_level = 'ERROR'
    config.default_hooks.checkpoint = None
    config.experiment_name = f'cache_{time.time_ns()}'
    with contextlib.redirect_stdout(io.StringIO()):
        runner = Runner.from_cfg(config)
        runner.train()
        runner.val_loop.run()
    return runner.message_hub.get_scalar('val/accuracy/top1').current()


def measure_accuracy(args):
    """Train from a live teacher and from stores, several seeds."""
    folder = Path(tempfile.mkdtemp())
    dense = stored(DISTILLED, folder / 'dense')
    configs = {
        'live': with_live(dense, Config.fromfile(DISTILLED)),
        **{
            f'{k}': stored(DISTILLED, folder / str(k), '--topk', str(k))
            for k in COUNTS
        },
        '10': dense,
    }
    results = {name: [] for name in configs}
    for seed in range(args.seeds):
        for name, config in configs.items():
            results[name].append(_top1(config, seed))
        print(seed, {k: round(v[-1], 2) for k, v in results.items()})
    _summarize(results)
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(f'{args.out}.json').write_text(json.dumps(results, indent=1))
        _plot(results, f'{args.out}.svg')


def _summarize(results):
    for name, values in results.items():
        pairs = [a - b for a, b in zip(values, results['live'])]
        print(
            f'{name:5} top-1 {statistics.mean(values):.2f} ± '
            f'{statistics.stdev(values):.2f}, minus live '
            f'{statistics.mean(pairs):+.2f} ± {statistics.stdev(pairs):.2f} '
            f'(n = {len(values)})'
        )


def _plot(results, path):
    import matplotlib.pyplot as plt

    counts = [*map(str, COUNTS), '10']
    means, spreads = [], []
    for name in counts:
        pairs = [a - b for a, b in zip(results[name], results['live'])]
        means.append(abs(statistics.mean(pairs)))
        spreads.append(statistics.stdev(pairs) / len(pairs) ** 0.5)
    seeds = len(results['live'])
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.errorbar(range(len(counts)), means, yerr=spreads, marker='o')
    axes.set_xticks(range(len(counts)), [*counts[:-1], 'all'])
    axes.set(
        xlabel='logits kept of 10 (K)',
        ylabel='|top-1 - live| (points)',
        title=f'Digits, mean ± standard error over {seeds} seeds',
    )
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


MEASUREMENTS = {
    'replay': measure_replay,
    'step': measure_step,
    'resnet': measure_resnet,
    'write': measure_write,
    'memory': measure_memory,
    'sizes': measure_sizes,
    'accuracy': measure_accuracy,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', nargs='+', choices=MEASUREMENTS)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--seeds', type=int, default=6)
    parser.add_argument('--out', help='figure and data, without suffix')
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.what:
        MEASUREMENTS[name](args)


if __name__ == '__main__':
    main()
