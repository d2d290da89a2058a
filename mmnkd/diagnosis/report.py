"""What the doctor found out, as values that can be printed or stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

import mmcv
import mmengine
import mmpretrain
import torch

from .. import __version__
from .cost import Cost
from .facts import DataFacts, ImageFacts
from .finding import Finding
from .plan import Plan
from .signal import Signal
from .terms import Term

__all__ = ['NetworkFacts', 'Report', 'read_stack']

VERDICTS = {0: 'good', 1: 'warnings', 2: "won't train"}


@dataclass(frozen=True)
class NetworkFacts:
    """A network of the training.

    Attributes:
        who: What it is called: 'student', 'teacher', 'teacher[0]' ...
        kind: Type of the network.
        parameters: How many it has.
        source: File of its weights, None for none.
        weights: Hash of its weights, None for the student.
    """

    who: str
    kind: str
    parameters: int
    source: Optional[str] = None
    weights: Optional[str] = None


@dataclass
class Report:
    """What a training will do, cost and come across.

    Sections that couldn't be found out are None or empty; then a finding says
    why.

    Attributes:
        config: The config's file.
        options: Changes of it, by dotted key.
        stack: Versions by package, and the device.
        plan: What the config will do.
        train: The training data.
        val: The validation data.
        images: What each network gets for the first training image.
        networks: Student and teachers.
        signal: What the teacher has to teach.
        signal_on: On which images that was measured.
        terms: The terms of the loss.
        cost: Of a training step.
        is_data_real: Whether `cost` was measured on the config's images.
        is_teacher_real: Whether the teacher has the config's weights.
        steps: Of the whole training.
        seconds: Of the whole training, validations included.
        advice: What would make it faster.
        findings: What is wrong, or may be.
    """

    config: str
    options: dict[str, Any] = field(default_factory=dict)
    stack: dict[str, str] = field(default_factory=dict)
    plan: Optional[Plan] = None
    train: Optional[DataFacts] = None
    val: Optional[DataFacts] = None
    images: dict[str, ImageFacts] = field(default_factory=dict)
    networks: list[NetworkFacts] = field(default_factory=list)
    signal: Optional[Signal] = None
    signal_on: str = ''
    terms: list[Term] = field(default_factory=list)
    cost: Optional[Cost] = None
    is_data_real: bool = True
    is_teacher_real: bool = True
    steps: int = 0
    seconds: float = 0.0
    advice: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        """Return the findings for which it won't train right."""
        return [f for f in self.findings if f.level == 'error']

    @property
    def exit_code(self) -> int:
        """Return 0 if all is good, 1 for warnings, 2 if it won't train."""
        return 2 if self.errors else 1 if self.findings else 0

    @property
    def verdict(self) -> str:
        """Return the exit code in words."""
        return VERDICTS[self.exit_code]

    def add(self, findings: Sequence[Finding]) -> None:
        """Note findings, but for what an earlier stage has told.

        A warning doesn't stand for a later error of its name.
        """
        told = {(f.name, f.level) for f in self.findings}
        told |= {(f.name, 'warning') for f in self.errors}
        self.findings += [f for f in findings if (f.name, f.level) not in told]

    def drop(self, name: str) -> None:
        """Forget findings of a name, for a better one."""
        self.findings = [f for f in self.findings if f.name != name]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        content = asdict(self)
        if self.cost is not None:
            derived = ('data', 'student', 'total', 'teacher_share')
            content['cost'] |= {k: getattr(self.cost, k) for k in derived}
        if self.plan is not None:
            content['plan']['total_batch'] = self.plan.total_batch
        return {
            'verdict': self.verdict,
            'exit_code': self.exit_code,
            **content,
        }


def read_stack(device: str) -> dict[str, str]:
    """Return what a training runs on: versions, and the device's name."""
    name = torch.cuda.get_device_name() if device == 'cuda' else device.upper()
    versions = {
        module.__name__: module.__version__
        for module in (torch, mmengine, mmcv, mmpretrain)
    }
    return {'mmnkd': __version__, **versions, 'device': name}
