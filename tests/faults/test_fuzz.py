"""Inputs that nobody thought of: drawn by hypothesis, and by flipping bytes.

make test takes a few hundred, always the same; make test-faults 20,000 new.
"""

import random

import hostile
import newer
import pytest
import torch
from draws import LOSSES, Loss, gradient_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmnkd.checkpoint import read_state_dict

ALL = {
    **LOSSES,
    **{
        name: Loss(loss, oracle, (0, 1, 2) if takes_target else (0, 1), values)
        for name, (loss, oracle, takes_target, values) in newer.LOSSES.items()
        if name != 'wkd of a matrix'  # has a cost for some counts of classes
    },
}
LAYOUTS = {
    'rows': lambda x: x,
    'columns': lambda x: x.t().contiguous().t(),
    'every other': lambda x: x.repeat_interleave(2, dim=1)[:, ::2],
    'reversed storage': lambda x: x.flip(0).contiguous().flip(0),
    'part of more': lambda x: torch.cat([x, x, x], dim=1)[:, : x.shape[1]],
    'one row expanded': lambda x: x[:1].expand(x.shape),
}
INDICES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@st.composite
def cases(draw):
    """Draw a loss, student's and teacher's logits, and a target."""
    name = draw(st.sampled_from(sorted(ALL)))
    shape = draw(st.integers(1, 5)), draw(st.integers(2, 12))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    index = torch.randint(shape[1], shape[:1], generator=generator)
    logits = []
    for _ in range(2):
        scale = draw(st.sampled_from([0.0, 1e-6, 1.0, 5.0, 100.0, 1e4]))
        x = torch.randn(shape, generator=generator).clamp(-1, 1) * scale
        x += draw(st.sampled_from([0.0, 0.0, 1000.0, -1000.0]))
        if draw(st.booleans()):
            x = x.round()  # ties
        logits.append(x.clamp(-1e4, 1e4))
    if shape[1] > 3 and draw(st.booleans()):
        # Never the labels, of which a sample has two, and one class besides.
        masked = torch.rand(shape, generator=generator) < 0.4
        rows = torch.arange(shape[0])
        for step in range(3):
            masked[rows, (index + step) % shape[1]] = False
        logits = [x.masked_fill(masked, -torch.inf) for x in logits]
    layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    if layout is LAYOUTS['one row expanded']:
        index = index[:1].expand(index.shape)
    logits = [layout(x.to(draw(st.sampled_from(FLOATS)))) for x in logits]
    if draw(st.booleans()):
        return name, *logits, index.to(draw(st.sampled_from(INDICES)))
    share = draw(st.sampled_from([0.5, 0.7, 1.0]))
    target = torch.zeros(shape, dtype=draw(st.sampled_from(FLOATS)))
    target[torch.arange(shape[0]), index] = share
    target[torch.arange(shape[0]), (index + 1) % shape[1]] += 1 - share
    return name, *logits, target


def check(case):
    """Expect finite values and gradients, as exact as the plain form's."""
    name, student, teacher, target = case
    loss = ALL[name]
    inputs = teacher, target
    values = loss(student, *inputs, reduction='none')
    assert values.shape == student.shape[:1]
    assert values.isfinite().all()
    gradient = gradient_of(loss, student, *inputs, reduction='none')
    assert gradient.isfinite().all()
    assert gradient.dtype == student.dtype
    assert not gradient[student.isneginf()].any()
    if 'closed' in name:
        check_closed(loss, student, teacher, target)


def check_closed(loss, student, teacher, target):
    """Expect an error of a few times the plain form's own."""
    exact = student.double(), teacher.double(), target
    for result in (values_of, gradient_of):
        truth = result(loss.plain(), *exact)
        ours = result(loss, student, teacher, target)
        theirs = result(loss.plain(), student, teacher, target)
        eps = torch.finfo(ours.dtype).eps
        error, allowed = ours - truth, theirs - truth
        limit = 4 * allowed.norm() + 4 * eps * (truth.norm() + 1)
        assert error.norm() <= limit


def values_of(loss, *inputs):
    return loss(*inputs, reduction='none').detach()


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_losses_take_any_input(case):
    check(case)


@pytest.mark.slow
def test_losses_take_20_000_inputs(capsys):
    counts = dict.fromkeys(sorted(ALL), 0)

    @settings(
        max_examples=20_000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def many(case):
        counts[case[0]] += 1
        check(case)

    many()
    with capsys.disabled():
        print(f'\n{sum(counts.values())} inputs: {counts}')
    assert sum(counts.values()) >= 20_000


@pytest.mark.parametrize('name', sorted(set(ALL) - {'dist', 'uskd', 'tf_nkd'}))
def test_a_nan_stays_in_its_row(name):
    shape = 4, 9
    student, teacher = newer.logits(shape), newer.logits(shape, seed=1)
    target = newer.hard(shape)
    clean = values_of(ALL[name], student, teacher, target)
    student[2, 3] = torch.nan
    found = values_of(ALL[name], student, teacher, target)
    assert found[2].isnan()
    others = torch.tensor([0, 1, 3])
    torch.testing.assert_close(found[others], clean[others])


# Checkpoints.


def changed(content, draw):
    """Return bytes with a few of them flipped, left out or repeated."""
    content = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 3, 10])):
        at = draw.randrange(len(content))
        kind = draw.randrange(4)
        if kind == 0:
            content[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            content[at] = draw.randrange(256)
        elif kind == 2:
            del content[at : at + draw.choice([1, 2, 100])]
        else:
            content[at:at] = content[at : at + draw.choice([1, 4, 50])]
        if not content:
            break
    return bytes(content)


def read_changed(folder, count, seed):
    """Read many broken files; return how often which error was raised."""
    draw = random.Random(seed)
    path = folder / 'whole.pth'
    hostile.training(path)
    whole, pickled = path.read_bytes(), hostile.pickle_in(path)
    broken = folder / 'broken.pth'
    found = {}
    for number in range(count):
        if number % 2:
            broken.write_bytes(changed(whole, draw))
        else:  # and the archive's checksums are right
            broken.write_bytes(whole)
            parts = {'data.pkl': changed(pickled, draw)}
            hostile.rewritten(broken, parts)
        try:
            weights = read_state_dict(str(broken))
            assert all(map(torch.is_tensor, weights.values()))
            kind = 'read'
        except (ValueError, FileNotFoundError) as error:
            kind = type(error).__name__
        found[kind] = found.get(kind, 0) + 1
    return found


def test_broken_checkpoints_are_errors_or_weights(tmp_path):
    found = hostile.outcome(lambda: read_changed(tmp_path, 100, seed=1))
    assert isinstance(found.result, dict), found
    assert found.result['ValueError'] > 50


@pytest.mark.slow
def test_2_000_broken_checkpoints_are_errors_or_weights(tmp_path, capsys):
    seed = random.randrange(2**32)
    found = hostile.outcome(lambda: read_changed(tmp_path, 2000, seed))
    with capsys.disabled():
        print(f'\nseed {seed}: {found}')
    assert isinstance(found.result, dict), found
    assert sum(found.result.values()) == 2000
