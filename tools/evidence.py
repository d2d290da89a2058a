"""Train what docs/results.md reports, and write that page.

    python tools/evidence.py tools/plans/imagenette.yml --processes 2
    python tools/evidence.py tools/plans/imagenette.yml --only seed=0
    python tools/evidence.py report

A plan names configs and a number of seeds. Each run is a Runner in a worker
process with one thread. The same command goes on after an interruption or a
kill: finished runs are in docs/results/, the others start from their last
validation. Logs and checkpoints are in work_dirs/evidence/.
"""

import os

os.environ.setdefault('OMP_NUM_THREADS', '1')  # before torch reads it

import argparse
import contextlib
import multiprocessing
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from evidence_plan import ROOT, WORK, Run, chosen, digest, read_plan
from evidence_report import KEYS, read_results, write_report
from evidence_run import start_worker, store, train
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import mmnkd

RESULTS = ROOT / 'docs' / 'results'


def carry_out(
    runs: list[Run], results: Path, processes: int, remembers: bool
) -> bool:
    """Train the teachers, then the students; tell whether all went well."""
    console = Console(soft_wrap=True)
    missing = [run for run in runs if not is_done(run, results, console)]
    console.print(
        f'{len(runs) - len(missing)} of {len(runs)} runs are done. Logs: '
        f'{WORK / runs[0].plan}'
    )
    epochs = sum(run.resolve().train_cfg.max_epochs for run in missing)
    commit = commit_of_this_tree()
    context = multiprocessing.get_context('spawn')
    seen = context.Array('i', 2)  # trained by this command, and earlier
    columns = [TextColumn('epochs'), BarColumn(), MofNCompleteColumn()]
    columns.append(TextColumn('{task.fields[left]}'))
    well = True
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns, console=console))
        pool = ProcessPoolExecutor(processes, context, start_worker, (seen,))
        stack.callback(pool.shutdown, cancel_futures=True)
        task = progress.add_task('', total=epochs, left='')
        start = time.monotonic()
        for part in ('teachers', 'stores', 'students'):
            jobs = {
                pool.submit(store, run)
                if part == 'stores'
                else pool.submit(train, run, results, commit, remembers): run
                for run in runs_of(part, missing)
            }
            pending = set(jobs)
            while pending:
                finished, pending = wait(pending, 1, FIRST_COMPLETED)
                trained, earlier = seen
                elapsed = time.monotonic() - start
                left = time_left(elapsed, trained, epochs - earlier)
                progress.update(task, completed=trained + earlier, left=left)
                for job in finished:
                    well &= job.exception() is None
                    progress.console.print(
                        f'{jobs[job].method}, seed {jobs[job].seed}: '
                        f'{outcome(job)}; {left}'
                    )
    return well


def runs_of(part: str, runs: list[Run]) -> list[Run]:
    """Pick what is done at once: teachers, then stores, then students."""
    if part == 'teachers':
        return [run for run in runs if run.method == 'teacher']
    if part == 'students':
        return [run for run in runs if run.method != 'teacher']
    return list({run.store: run for run in runs if run.stored}.values())


def is_done(run: Run, results: Path, console: Console) -> bool:
    """Tell whether its line is there, and of a teacher its weights as well."""
    for line in read_results(results):
        if all(line[key] == getattr(run, key) for key in KEYS):
            if line['hash'] != digest(run.resolve()):
                console.print(
                    f'{run.method}, seed {run.seed}: {run.config} has changed '
                    f'since. Delete the line of {results} to run it again.'
                )
            return run.method != 'teacher' or run.checkpoint.exists()
    return False


def outcome(job: Any) -> str:
    if job.exception() is not None:
        return f'failed: {job.exception()!r}'
    line = job.result()
    if line is None:
        return 'another process is at it'
    if isinstance(line, Path):
        return f'outputs of {line.name} are there'
    return f'top-1 {line["top1"][-1]:.2f} % in {line["seconds"]} s'


def time_left(elapsed: float, trained: int, total: int) -> str:
    if not trained:
        return ''
    minutes = round(elapsed / trained * (total - trained) / 60)
    return f'{minutes // 60}:{minutes % 60:02} h left'


def commit_of_this_tree() -> str:
    """Name the commit, with a plus if code or configs differ from it."""
    if ROOT not in Path(mmnkd.__file__).resolve().parents:
        sys.exit(
            f'Expected mmnkd from {ROOT}, whose commit the results name, but '
            f'got {mmnkd.__file__}. Set PYTHONPATH={ROOT}'
        )

    def git(*arguments: str) -> str:
        command = ['git', '-C', str(ROOT), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True
        ).stdout.strip()

    changed = git('status', '--porcelain', 'mmnkd', 'configs', 'tools')
    return git('rev-parse', '--short=12', 'HEAD') + ('+' if changed else '')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('plan', help="a plan, or the word 'report'")
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument(
        '--only',
        action='append',
        default=[],
        metavar='KEY=VALUE,...',
        help='of method, seed, teacher; repeated: any of them',
    )
    parser.add_argument(
        '--remember',
        action='store_true',
        help='keep all views in memory, so that only the first run of a '
        'process draws them; for small images',
    )
    parser.add_argument('--results', type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.plan == 'report':
        write_report(ROOT, args.results)
        return
    runs = chosen(read_plan(Path(args.plan)), args.only)
    if not runs:
        parser.error(f'no run of {args.plan} matches --only {args.only}')
    args.results.mkdir(parents=True, exist_ok=True)
    results = args.results / f'{Path(args.plan).stem}.jsonl'
    well = carry_out(runs, results, args.processes, args.remember)
    sys.exit(0 if well else 1)


if __name__ == '__main__':
    main()
