"""Measure stores: sizes on paper, memory, and accuracy on the digits.

mmnkd train configs/demo/baseline_wide_1xb64_digits.py
python tools/measure_store.py sizes memory
python tools/measure_store.py accuracy --out docs/figures/cache
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
import threading
import time
from pathlib import Path

import torch
from measure_cache import DISTILLED, stored, with_live
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.structures import DataSample

from mmnkd.cache import CachedTeacher
from mmnkd.cache.rows import Rows
from mmnkd.cache.store import Store, library_versions
from mmnkd.cache.writer import batches_of, write_blocks, writing

COUNTS = (1, 2, 5)


def measure_sizes(args):
    """Print sizes, and from which run on the writing has paid.

    On paper, in steps of the plain student: a teacher's forward is 0.5 of
    them, 0.185 in bfloat16 on a processor that is fast at it, and writing 1.05
    of the forward. The digits are measured, loading included.
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


@contextlib.contextmanager
def _told_growth(what):
    """Print how many MB a block adds at most, looked at each millisecond."""
    before, seen, done = _resident(), [], threading.Event()

    def watch():
        while not done.wait(0.001):
            seen.append(_resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield
    done.set()
    watcher.join()
    print(f'  {max(seen) - before:.1f} MB to {what} it')


def _write_zeros(store):
    def answer(batch):
        return torch.zeros(len(batch), 1000, dtype=torch.float16)

    with _told_growth('write'), writing(store):
        write_blocks(store, batches_of(store, store.missing, 256), answer)


def _read_some(store):
    with _told_growth('read'):
        teacher = CachedTeacher(store.folder)
        teacher.build(torch.nn.Identity())
        draw = random.Random(0)
        images = torch.zeros(256, 1, 1, 1)
        text = json.dumps(store.views)
        for _ in range(200):
            samples = [DataSample() for _ in images]
            for sample in samples:
                view = (0, draw.randrange(store.count))
                sample.set_field(view, 'view', field_type='metainfo')
                sample.set_field(text, 'replay', field_type='metainfo')
            teacher(images, samples=samples)


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
        print(seed, {k: round(float(v[-1]), 2) for k, v in results.items()})
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


def main():
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    what = {
        'sizes': measure_sizes,
        'memory': measure_memory,
        'accuracy': measure_accuracy,
    }
    parser.add_argument('what', nargs='+', choices=what)
    parser.add_argument('--seeds', type=int, default=6)
    parser.add_argument('--out', help='figure and data, without suffix')
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.what:
        what[name](args)


if __name__ == '__main__':
    main()
