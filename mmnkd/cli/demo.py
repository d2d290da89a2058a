"""``mmnkd demo``: one teacher, one student trained four ways, several seeds.

Each run is a real mmengine Runner with a config of configs/demo/, in a process
of its own. What the numbers say is printed, whatever it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Callable

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.apis import ImageClassificationInferencer

from ..datasets import Digits
from ..registry import require
from .configs import configs_folder

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ['main', 'run_demo']

TEACHER = 'baseline_wide_1xb64_digits'
STUDENT = 'baseline_tiny_1xb64_digits'
METHODS = {
    'baseline': STUDENT,
    'NKD': 'nkd_wide_tiny_1xb64_digits',
    'NKD, train-mode teacher': 'nkd-train_wide_tiny_1xb64_digits',
    'tf-NKD': 'tf-nkd_tiny_1xb64_digits',
}


@dataclass
class Result:
    """Hold what one training came to."""

    method: str  # key of METHODS, or 'teacher'
    seed: int
    top1: list[float]  # test accuracy in percent after each epoch
    seconds: float  # with its validations
    checkpoint: str  # the published weights


def main(arguments: Sequence[str]) -> None:
    """Train, and show what came out."""
    parser = argparse.ArgumentParser(
        prog='mmnkd demo',
        description='Train a teacher, and a student four ways with several '
        'seeds, on real handwritten digits: a few minutes on a CPU.',
        epilog='examples:\n  mmnkd demo\n'
        '  mmnkd demo --seeds 2 --work-dir demo\n\n'
        'exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    text = 'folder for all files (default: work_dirs/demo)'
    add('--work-dir', type=Path, default=Path('work_dirs/demo'), help=text)
    add('--seeds', type=int, default=6, help='at least 2 (default: 6)')
    text = 'of each training (default: as the configs say)'
    add('--epochs', type=int, default=0, help=text)
    args = parser.parse_args(arguments)
    if args.seeds < 2 or args.epochs < 0:
        parser.error('--seeds needs at least 2, and --epochs at least 0')
    run_demo(args.work_dir.expanduser(), args.seeds, args.epochs)


def run_demo(work_dir: Path, seeds: int, epochs: int) -> None:
    """Train everything, then print a table and write a plot.

    Args:
        work_dir: Folder for checkpoints, logs, results.json and curves.png.
        seeds: Number of seeds, at least 2 for a standard deviation.
        epochs: Epochs of each training; 0 for those of the configs.
    """
    require('demo', 'The demo', 'matplotlib', 'rich', 'sklearn')
    from rich.console import Console

    configs = configs_folder() / 'demo'
    console = Console()
    console.print(
        f'One teacher, then {len(METHODS)} students x {seeds} seeds, on '
        '1201 handwritten digits; tested on 596 others. Logs and checkpoints: '
        f'{work_dir}'
    )
    keys = ('train_cfg.max_epochs', 'param_scheduler.T_max')
    shared = dict.fromkeys(keys, epochs) if epochs else {}
    with _progress(console, 1 + len(METHODS) * seeds) as step:
        teacher, students = _train_all(configs, work_dir, seeds, shared, step)
    results = sorted([teacher, *students], key=lambda r: (r.method, r.seed))
    text = json.dumps([asdict(result) for result in results], indent=1)
    (work_dir / 'results.json').write_text(text)
    _plot(students, work_dir / 'curves.png')
    console.print(_table(teacher, students))
    weights = next(r.checkpoint for r in results if r.method == 'NKD')
    prediction = _prediction(configs / f'{STUDENT}.py', weights)
    curves = f'Curves:     {work_dir / "curves.png"}'
    for line in (curves, f'Checkpoint: {weights}', prediction):
        console.print(line, soft_wrap=True)


def _train_all(
    configs: Path,
    work_dir: Path,
    seeds: int,
    options: dict,
    step: Callable[[Result], None],
) -> tuple[Result, list[Result]]:
    """Train the teacher, then the students in parallel."""
    train = partial(_train, configs, work_dir, options)
    pool = ProcessPoolExecutor(
        max_workers=min(4, os.cpu_count() or 1),
        mp_context=multiprocessing.get_context('spawn'),
        initializer=torch.set_num_threads,
        initargs=(1,),
    )
    with contextlib.ExitStack() as stack:
        # An interrupt cancels what hasn't begun.
        stack.callback(pool.shutdown, cancel_futures=True)
        teacher = pool.submit(train, 'teacher', TEACHER, 0).result()
        step(teacher)
        jobs = [
            pool.submit(train, method, name, seed, teacher.checkpoint)
            for seed in range(seeds)
            for method, name in METHODS.items()
        ]
        students = []
        for job in as_completed(jobs):
            students.append(job.result())
            step(students[-1])
    return teacher, students


def _train(
    configs: Path,
    work_dir: Path,
    options: dict,
    method: str,
    name: str,
    seed: int,
    teacher: str = '',
) -> Result:
    config = Config.fromfile(configs / f'{name}.py')
    work_dir /= name  # where configs look for the teacher
    if teacher:
        work_dir /= f'seed_{seed}'
    config.work_dir = str(work_dir)
    config.experiment_name = f'{name}_{seed}_{time.time_ns()}'
    config.randomness = {'seed': seed}
    config.merge_from_dict(options)
    if 'teacher' in config.model:
        config.model.teacher.checkpoint = teacher
    work_dir.mkdir(parents=True, exist_ok=True)
    with open(work_dir / 'console.log', 'w') as log:  # of a worker process
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    start = time.perf_counter()
    runner = Runner.from_cfg(config)
    runner.train()
    seconds = time.perf_counter() - start
    curve, _ = runner.message_hub.get_scalar('val/accuracy/top1').data
    published = work_dir.glob(f'epoch_{runner.max_epochs}-*.pth')
    newest = max(published, key=lambda path: path.stat().st_mtime)
    return Result(method, seed, curve.tolist(), seconds, str(newest))


@contextlib.contextmanager
def _progress(
    console: Console, total: int
) -> Iterator[Callable[[Result], None]]:
    """Show a bar, and a line for each result."""
    from rich.progress import Progress

    with Progress(console=console) as progress:
        task = progress.add_task('training', total=total)

        def step(result: Result) -> None:
            progress.advance(task)
            done = int(progress.tasks[task].completed)
            console.print(
                f'[{done:2}/{total}] {result.method}, seed {result.seed}: '
                f'top-1 {result.top1[-1]:.2f} % in {result.seconds:.1f} s'
            )

        yield step


def _table(teacher: Result, students: Sequence[Result]) -> Table:
    from rich.table import Table

    seeds = sorted({result.seed for result in students})
    last = {(r.method, r.seed): r.top1[-1] for r in students}
    table = Table(
        title=f'Test top-1 (%), mean ± std over {len(seeds)} seeds; '
        'one image of 596 is 0.17'
    )
    table.add_column('student')
    for name in ('top-1 (%)', 'minus baseline', 's a run'):
        table.add_column(name, justify='right')
    top1, seconds = f'{teacher.top1[-1]:.2f}', f'{teacher.seconds:.1f}'
    table.add_row('teacher (1 seed)', top1, '', seconds)
    for method in METHODS:
        scores = [last[method, seed] for seed in seeds]
        gain = [last[method, seed] - last['baseline', seed] for seed in seeds]
        times = [r.seconds for r in students if r.method == method]
        table.add_row(
            method,
            _spread(scores),
            '' if method == 'baseline' else _spread(gain, '+'),
            f'{mean(times):.1f}',
        )
    return table


def _spread(values: Sequence[float], sign: str = '') -> str:
    middle = round(mean(values), 2) + 0.0  # which makes 0 of -0
    return f'{middle:{sign}.2f} ± {stdev(values):.2f}'


def _plot(students: Sequence[Result], path: Path) -> None:
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout='constrained')
    for method in METHODS:
        runs = torch.tensor([r.top1 for r in students if r.method == method])
        epochs = range(1, runs.shape[1] + 1)
        middle, spread = runs.mean(dim=0), runs.std(dim=0)
        axes.plot(epochs, middle, label=method)
        axes.fill_between(epochs, middle - spread, middle + spread, alpha=0.15)
    axes.set(
        xlabel='epoch',
        ylabel='test top-1 (%)',
        title=f'Digits, mean ± std over {len(runs)} seeds',
    )
    axes.grid(alpha=0.3)
    axes.legend(loc='lower right')
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _prediction(config_file: Path, checkpoint: str) -> str:
    """Let mmpretrain's inferencer use the student, as any other checkpoint."""
    sample = Digits(split='test').get_data_info(0)
    with open(os.devnull, 'w') as quiet, contextlib.redirect_stdout(quiet):
        inferencer = ImageClassificationInferencer(
            Config.fromfile(config_file), pretrained=checkpoint, device='cpu'
        )
        (result,) = inferencer(sample['img'])  # it shows a bar of its own
    return (
        "Prediction: mmpretrain's ImageClassificationInferencer, with the "
        'plain student config and this checkpoint, takes the first test '
        f'image, a {sample["gt_label"]}, for a {result["pred_class"]} '
        f'(score {result["pred_score"]:.2f}).'
    )
