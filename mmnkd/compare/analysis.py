"""All networks of a comparison on the validation images, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Optional

import torch
from torch import Tensor

from ..metrics import fidelity
from ..teacher.images import Format
from .judge import Agreement, Judgment, agreement, judge
from .predict import Network, find_teacher, open_student, teach
from .runs import Run

__all__ = ['Analysis', 'Change', 'Example', 'analyze']

TEACHER = 'the teacher'
EXAMPLES = 24
EXTREMES = 10  # classes at each end, and changed confusions

# Like rich.progress.track: hands on an iterable, and shows how far it is.
Track = Callable[[Iterable, str, int], Iterable]


class Change(NamedTuple):
    """Hold what became of a class or of a confusion, shares from 0 to 1."""

    label: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """What was added."""
        return self.after - self.before


@dataclass(frozen=True)
class Example:
    """Hold an image on which a student and its reference differ.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, as the student's pipeline crops it.
        target: Name of its class.
        answers: Who says what: name, class, probability.
    """

    pixels: Tensor
    target: str
    answers: list[tuple[str, str, float]]


@dataclass
class Analysis:
    """Hold what the checkpoints say.

    Attributes:
        classes: Their names.
        images: The number of validation images.
        students: For each name a judgment of each run.
        teacher: The teacher's judgment, None without one.
        agreements: For each name, of each run with that teacher.
        pair: Whose first run is compared image by image, and with what: the
            teacher, or without one the first run of the first name.
        examples: Images on which these two differ most.
        notes: What a reader has to know.
    """

    classes: list[str]
    images: int
    students: dict[str, list[Judgment]] = field(default_factory=dict)
    teacher: Optional[Judgment] = None
    agreements: dict[str, list[Agreement]] = field(default_factory=dict)
    pair: tuple[str, str] = ('', '')
    examples: list[Example] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def class_gains(self, name: str) -> list[Change]:
        """Return each class's accuracy, first name to `name`, best first."""
        first, *_ = self.students
        before, after = self._mean('per_class', first, name)
        changes = map(Change, self.classes, before.tolist(), after.tolist())
        seen = [c for c in changes if c.gain == c.gain]  # without NaN
        return sorted(seen, key=lambda change: -change.gain)

    def confusions(self, name: str) -> list[Change]:
        """Return the confusions that changed most, of images of a class."""
        first, *_ = self.students
        before, after = self._mean('confusion', first, name)
        change = (after - before).nan_to_num().fill_diagonal_(0)
        count = min(EXTREMES, change.numel())
        changes = []
        for place in change.abs().flatten().topk(count).indices.tolist():
            i, j = divmod(place, len(self.classes))
            label = f'{self.classes[i]} → {self.classes[j]}'
            shares = float(before[i, j]), float(after[i, j])
            changes.append(Change(label, *shares))
        return [change for change in changes if change.gain]

    def _mean(self, key: str, *names: str) -> list[Tensor]:
        return [
            torch.stack([getattr(j, key) for j in self.students[name]]).mean(0)
            for name in names
        ]


def analyze(
    runs: Mapping[str, Sequence[Run]],
    *,
    device: str = 'cpu',
    images: Optional[int] = None,
    track: Track = lambda iterable, *_: iterable,
) -> Analysis:
    """Ask every student, and the first teacher there is, for every image.

    Args:
        runs: With configs and checkpoints; the validation images of their
            configs must be the same.
        device: Where to compute.
        images: How many of the images, evenly spaced; None for all.
        track: Shows the progress.
    """
    names = list(runs)
    reference, name_of_reference, note = _reference(runs, device, images)
    log_reference, target = _gather(reference, name_of_reference, track)
    count = log_reference.shape[1]
    classes = reference.classes or list(map(str, range(count)))
    if len(classes) != count:
        raise ValueError(
            f'Expected the names of {count} classes, but the checkpoint has '
            f'{len(classes)}. Is it that of its config?'
        )
    analysis = Analysis(classes, len(target), notes=[note] if note else [])
    is_taught = name_of_reference not in runs
    if is_taught:
        analysis.teacher = judge(log_reference, target)
    student = _taught(runs) or names[-1]
    for name, number, run in (
        (name, number, run)
        for name, some in runs.items()
        for number, run in enumerate(some)
    ):
        network = open_student(run, device, images)
        label = f'{name} {number + 1}/{len(runs[name])}'
        log_p, labels = _gather(network, label, track)
        _check_same(run, log_p, labels, log_reference, target)
        analysis.students.setdefault(name, []).append(judge(log_p, target))
        if is_taught:
            found = agreement(log_p, log_reference, target)
            analysis.agreements.setdefault(name, []).append(found)
        if name == student and number == 0 and name != name_of_reference:
            analysis.pair = name, name_of_reference
            asked = {name: log_p, name_of_reference: log_reference}
            analysis.examples = _examples(reference, asked, target, classes)
    return analysis


def _taught(runs: Mapping[str, Sequence[Run]]) -> Optional[str]:
    """Return the first name whose config has a teacher."""
    names = (name for name, some in runs.items() if find_teacher(some[0]))
    return next(names, None)


def _reference(
    runs: Mapping[str, Sequence[Run]], device: str, images: Optional[int]
) -> tuple[Network, str, str]:
    """Return the teacher, or else the first run; its name; and a note."""
    note, taught, first = '', _taught(runs), next(iter(runs))
    if taught is not None:
        run = runs[taught][0]
        student = open_student(run, device, images)
        try:
            return teach(student, find_teacher(run)), TEACHER, note
        except (OSError, ValueError) as error:
            note = f'Nothing is compared with the teacher of {taught}: {error}'
    return open_student(runs[first][0], device, images), first, note


def _gather(
    network: Network, label: str, track: Track
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities (N, C) and targets (N,) of all images."""
    batches = track(network.predictions(), label, len(network.loader))
    log_p, target = zip(*batches)
    return torch.cat(log_p), torch.cat(target)


def _check_same(
    run: Run, log_p: Tensor, labels: Tensor, others: Tensor, target: Tensor
) -> None:
    """Expect the images and the classes that the reference has."""
    if log_p.shape[1] != others.shape[1]:
        raise ValueError(
            f'Expected {others.shape[1]} classes, but {str(run.folder)!r} has '
            f'{log_p.shape[1]}. Only runs with the same classes can be '
            'compared by their checkpoints.'
        )
    if not torch.equal(labels, target):
        raise ValueError(
            'Expected the same validation images for all runs, but those of '
            f'{str(run.folder)!r} differ: {len(labels)} labels, not the '
            f'{len(target)} of the others. Leave out --checkpoints, or give '
            'runs with one validation set.'
        )


def _examples(
    network: Network,
    asked: Mapping[str, Tensor],
    target: Tensor,
    classes: Sequence[str],
) -> list[Example]:
    """Pick the images with the largest divergence from the reference."""
    log_p, log_reference = asked.values()
    apart = fidelity(log_p, log_reference, target)['kl']
    chosen = apart.topk(min(EXAMPLES, len(apart))).indices.tolist()
    examples = []
    for place in chosen:
        answers = []
        for name, values in asked.items():
            highest, label = values[place].max(dim=0)
            answers.append((name, classes[int(label)], float(highest.exp())))
        pixels = _pixels(network, place)
        examples.append(Example(pixels, classes[int(target[place])], answers))
    return examples


def _pixels(network: Network, place: int) -> Tensor:
    """Return an image as the pipeline leaves it, (H, W, 3) uint8 RGB."""
    image = network.loader.dataset[place]['inputs'][:3]
    if len(image) < 3:
        image = image[:1].expand(3, -1, -1)
    elif Format.of(network.model.data_preprocessor).to_rgb:
        image = image.flip(0)  # it is BGR until then
    return image.clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
