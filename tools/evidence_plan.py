"""The plan of the evidence: its runs, and where each stands."""

import hashlib
import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import yaml
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
WORK = Path('work_dirs/evidence')


@dataclass(frozen=True)
class Run:
    """One training: a line of docs/results/ when it is done."""

    plan: str
    data: str
    student: str
    method: str
    seed: int
    config: str
    teacher: Optional[str] = None
    stored: bool = False
    options: dict = field(default_factory=dict, compare=False)
    teacher_run: Optional['Run'] = None
    against: str = 'baseline'

    @property
    def folder(self) -> Path:
        """Where its log and checkpoint are; a changed config starts anew.

        Plans share their teachers.
        """
        plan = 'teachers' if self.method == 'teacher' else self.plan
        name = f'{self.method}_{self.seed}_{digest(self.resolve())}'
        return WORK / plan / name.replace(' ', '_').replace('/', '_')

    @property
    def checkpoint(self) -> Path:
        """Its last checkpoint, from which it goes on."""
        return self.folder / 'last.pth'

    @property
    def store(self) -> Path:
        """Where its teacher's outputs are stored, for all runs that fit."""
        config = self.resolve()
        read = {
            'teacher': config.model.teacher,
            'data': config.train_dataloader.dataset,
            'train_cfg': config.train_cfg,
        }
        name = f'{self.teacher}_{digest(Config(read))}'
        return WORK / 'stores' / name.replace(' ', '_')

    def resolve(self) -> Config:
        """Read its config, without anything of this machine."""
        config = Config.fromfile(ROOT / self.config)
        config.merge_from_dict(deepcopy(self.options))  # it pops `_delete_`
        config.randomness = {'seed': self.seed}
        return config


def read_plan(path: Path) -> list[Run]:
    """List the runs of a plan, the first seed of each method first."""
    plan = yaml.safe_load(path.read_text(encoding='utf8'))
    shared = {'plan': path.stem, 'data': plan['data']}
    is_stored = plan.get('stored', False)
    teachers = {
        name: Run(student=name, method='teacher', seed=0, **shared, **keys)
        for name, keys in plan.get('teachers', {}).items()
    }
    shared_options = plan.get('options', {})
    methods = plan['methods']
    for keys in methods.values():
        keys['options'] = {**shared_options, **keys.get('options', {})}
    seeds = {m: k.pop('seeds', plan['seeds']) for m, k in methods.items()}
    students = [
        Run(
            student=plan['student'],
            method=name,
            seed=seed,
            teacher_run=teachers.get(keys.get('teacher')),
            **shared,
            **{'stored': is_stored and 'teacher' in keys, **keys},
        )
        for seed in range(plan['seeds'])
        for name, keys in methods.items()
        if seed < seeds[name]
    ]
    return [*teachers.values(), *students]


def chosen(runs: Iterable[Run], only: list[str]) -> list[Run]:
    """Keep the runs that one of `only` matches, and their teachers."""
    rules = [dict(part.split('=') for part in o.split(',')) for o in only]
    kept = [
        run
        for run in runs
        if not rules
        or any(
            all(str(getattr(run, key)) == value for key, value in rule.items())
            for rule in rules
        )
    ]
    teachers = dict.fromkeys(r.teacher_run for r in kept if r.teacher_run)
    return [*teachers, *(run for run in kept if run not in teachers)]


def digest(config: Config) -> str:
    """Hash all that a config says; where it lies doesn't matter."""
    text = json.dumps(config.to_dict(), sort_keys=True, default=str)
    text = text.replace(f'{ROOT}/', '')
    return hashlib.sha256(text.encode()).hexdigest()[:12]
