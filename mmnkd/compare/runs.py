"""What a training left in its work_dir: metrics, losses, seed, checkpoint."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from mmengine.config import Config

__all__ = ['Run', 'find_runs', 'read_run']

Curve = dict[int, float]  # values by step


@dataclass
class Run:
    """Hold one training.

    Attributes:
        folder: Its work_dir.
        val: Validation metrics: for each name its value by epoch (by
            iteration where the training counts those).
        train: What each iteration logged: for each name its value by
            iteration.
        seed: Of the config, None where it has none.
        config_file: The config that mmengine wrote down, if there is one.
        by_epoch: Whether validations count epochs.
    """

    folder: Path
    val: dict[str, Curve] = field(default_factory=dict)
    train: dict[str, Curve] = field(default_factory=dict)
    seed: Optional[int] = None
    config_file: Optional[Path] = None
    by_epoch: bool = True

    @property
    def losses(self) -> dict[str, Curve]:
        """The loss terms by name; a plain ``loss`` is ``loss_cls`` here."""
        terms = {
            name: curve
            for name, curve in self.train.items()
            if 'loss' in name and name != 'loss'
        }
        if not terms and 'loss' in self.train:
            terms = {'loss_cls': self.train['loss']}
        return terms

    def checkpoint(self) -> Path:
        """Return the file of the last checkpoint."""
        last = self.folder / 'last_checkpoint'
        if last.is_file():  # it holds a path of the machine that trained
            path = self.folder / Path(last.read_text().strip()).name
            if path.is_file():
                return path
        numbered = {
            int(match[2]): path
            for path in self.folder.glob('*.pth')
            if (match := re.fullmatch(r'(epoch|iter)_(\d+)\.pth', path.name))
        }
        if not numbered:
            raise FileNotFoundError(
                f'Expected a checkpoint in {str(self.folder)!r}, but there is '
                'none. Leave out --checkpoints, or bring its last epoch_*.pth.'
            )
        return numbered[max(numbered)]


def find_runs(named: Sequence[str]) -> dict[str, list[Run]]:
    """Read the runs of each name.

    Args:
        named: ``NAME=WORK_DIR`` each, where WORK_DIR may be a glob pattern. A
            name that comes again gets more runs.
    """
    folders: dict[str, list[Path]] = {}
    for text in named:
        name, is_there, pattern = text.partition('=')
        if not (name and is_there and pattern):
            raise ValueError(
                'Expected NAME=WORK_DIR, as in nkd=work_dirs/nkd, but got '
                f'{text!r}.'
            )
        found = sorted(map(Path, glob.glob(os.path.expanduser(pattern))))
        found = [path for path in found if path.is_dir()]
        if not found:
            raise FileNotFoundError(
                f'Expected the work_dir of a training for {name!r}, but there '
                f'is none at {pattern!r}.'
            )
        folders.setdefault(name, []).extend(found)
    _check_distinct(folders)
    return {name: list(map(read_run, some)) for name, some in folders.items()}


def read_run(folder: Path) -> Run:
    """Read a work_dir of mmengine, with all of its resumed parts.

    A later part replaces what an earlier one logged from its first step on.
    """
    run = Run(folder)
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        lines = list(_lines(log))
        first = next((line for line in lines if 'iter' in line), None)
        if first is None:  # a test, or a start that failed
            continue
        run.by_epoch = 'epoch' in first and not _number_validations(lines)
        _cut(run.train, first['iter'])
        _cut(run.val, first['epoch'] if run.by_epoch else first['iter'])
        for line in lines:
            _add(run.train if 'iter' in line else run.val, line)
        run.config_file = log.with_name('config.py')
    if not run.train:
        raise FileNotFoundError(_no_logs(folder))
    if run.config_file is not None and run.config_file.is_file():
        config = Config.fromfile(run.config_file, import_custom_modules=False)
        run.seed = (config.get('randomness') or {}).get('seed')
    else:
        run.config_file = None
    return run


def _lines(log: Path) -> Iterator[dict]:
    """Read a log; its last line may be cut off, as a kill leaves it."""
    lines = log.read_text(encoding='utf8').splitlines()
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                return
            raise ValueError(
                f'Expected JSON in line {number} of {str(log)!r}, but got '
                f'{line[:60]!r}. Restore the file, or remove that line.'
            ) from error
        if isinstance(values, dict) and 'step' in values:
            yield values


def _number_validations(lines: Sequence[dict]) -> bool:
    """Give validations their iteration; tell whether they needed it.

    An iteration-based loop counts no epochs, and LoggerHook by default logs
    all its validations as of epoch 0.
    """
    iteration, changed = 0, False
    for line in lines:
        if 'iter' in line:
            iteration = line['step']
        elif iteration and not line['step']:
            line['step'], changed = iteration, True
    return changed


def _cut(curves: Mapping[str, Curve], start: int) -> None:
    """Remove what a resumed training did again."""
    for curve in curves.values():
        for step in [step for step in curve if step >= start]:
            del curve[step]


def _add(curves: dict[str, Curve], line: Mapping) -> None:
    for name, value in line.items():
        if name not in ('step', 'iter') and isinstance(value, (int, float)):
            curves.setdefault(name, {})[int(line['step'])] = float(value)


def _check_distinct(folders: Mapping[str, Sequence[Path]]) -> None:
    owners: dict[Path, str] = {}
    for name, some in folders.items():
        for folder in some:
            if folder.resolve() in owners:
                raise ValueError(
                    f'Expected each work_dir once, but {str(folder)!r} is of '
                    f'{owners[folder.resolve()]!r} and of {name!r}.'
                )
            owners[folder.resolve()] = name


def _no_logs(folder: Path) -> str:
    inside = sorted(folder.glob('*/*/vis_data/scalars.json'))
    hint = 'Is it the work_dir of a training?'
    if inside:
        hint = f'Its folders have some: give {str(folder / "*")!r}.'
    return (
        'Expected the log of a training in a work_dir '
        f'(*/vis_data/scalars.json), but {str(folder)!r} has none. {hint}'
    )
