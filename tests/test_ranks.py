"""Several processes train as one does."""

import collections
import contextlib
from unittest import mock

import pytest
import tiny
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from ranks import on_ranks
from torch.nn.parallel import DistributedDataParallel

STUDENT = tiny.vit()  # a batch norm would differ by process, as it always does
STUDENT['backbone']['drop_path_rate'] = 0.0
TAPS = {
    'student_taps': 'backbone.layers.1',
    'teacher_taps': 'backbone.layer2',
}
CHANNELS = {'student_channels': 16, 'teacher_channels': 24}
ROW_WISE = {
    'nkd': {'type': 'NKDLoss', 'temperature': 2.0},
    'nkd, weighted rows': {
        'type': 'NKDLoss',
        'sample_weight': {'type': 'entropy', 'temperature': 2.0},
    },
    'kd': {'type': 'KDLoss', 'temperature': 4.0},
    'dkd': {'type': 'DKDLoss', 'temperature': 4.0},
    'wsld': {'type': 'WSLDLoss', 'temperature': 2.0},
    'hard': {'type': 'HardLabelLoss'},
    'ttm': {'type': 'TTMLoss', 'temperature': 4.0},
    'wttm': {'type': 'WTTMLoss', 'temperature': 1.25},
    'rld': {'type': 'RLDLoss', 'temperature': 4.0, 'alpha': 1.0, 'beta': 2.0},
    'wkd': {
        'type': 'WKDLoss',
        'temperature': 2.0,
        'gamma': 30.0,
        'cost': 0.62,
    },
    'feature cosine': {'type': 'FeatureCosineLoss', **TAPS},
    'srrl': {
        'type': 'SRRLLoss',
        **TAPS,
        'student_channels': 16,
        'teacher_channels': 16,
    },
    'mgd': {
        'type': 'MGDLoss',
        'student_taps': 'backbone.ln1',
        'teacher_taps': 'backbone.ln1',
        **CHANNELS,
        'alpha': 0.01,
        'mask_ratio': 0.5,
    },
    'vitkd': {'type': 'ViTKDLoss', **CHANNELS, 'alpha': 0.01, 'beta': 0.01},
}
USKD = {
    'type': 'USKDLoss',
    'student_taps': ['logits', 'backbone.layers.0'],
}
OF_A_BATCH = {
    'tf_nkd': {'type': 'TFNKDLoss'},
    'uskd': USKD,
    'dist': {'type': 'DISTLoss'},
}


def distilled(loss):
    """Return a student with the same weights on each process."""
    torch.manual_seed(5)
    transformer = loss['type'] in ('MGDLoss', 'ViTKDLoss')  # of one grid
    teacher = tiny.teacher(tiny.vit(dims=24) if transformer else None)
    config = tiny.distilled(STUDENT, teacher, losses={'mine': loss})
    model = tiny.build(config)
    model.teacher.build(model.data_preprocessor)
    model.teacher.network.double()
    for module in model.distill_losses.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # as its statistics differ by process
    return model.double()


@contextlib.contextmanager
def masks_from(row):
    """Draw random masks as for the whole batch, of which this is a part."""
    draw = torch.rand

    def rand(count, *shape, **options):
        if 'generator' in options:
            return draw(count, *shape, **options)
        generator = torch.Generator().manual_seed(7)
        whole = draw(9, *shape, generator=generator, **options)
        return whole[row : row + count]

    with mock.patch('torch.rand', rand):
        yield


def batch(mixed=False):
    images, samples = tiny.batch(n=8)
    if mixed:
        scores = torch.rand(8, 10, generator=torch.Generator().manual_seed(1))
        scores[:3] = torch.eye(10)[:3]  # these have one label
        for sample, score in zip(samples, scores.double()):
            sample.set_gt_score(score / score.sum())
    return images.double(), samples


def backward(model, images, samples, share=1.0):
    losses = model(images, samples, mode='loss')
    inner = getattr(model, 'module', model)
    total, _ = inner.parse_losses(losses)
    (share * total).backward()


def gradients(model):
    inner = getattr(model, 'module', model)
    return {
        name: value.grad.numpy()
        for name, value in inner.named_parameters()
        if value.grad is not None
    }


def wrapped(kind, model):
    if kind == 'mmengine':
        return MMDistributedDataParallel(
            module=model, device_ids=None, broadcast_buffers=False
        )
    return DistributedDataParallel(model, broadcast_buffers=False)


def of_rank(rank, count, cases):
    found = []
    for loss, mixed, kind in cases:
        model = wrapped(kind, distilled(loss))
        images, samples = batch(mixed)
        part = slice(8 // count * rank, 8 // count * (rank + 1))
        with masks_from(part.start):
            backward(model, images[part], samples[part])
        found.append(gradients(model))
    return found


def of_one(loss, mixed):
    model = distilled(loss)
    with masks_from(0):
        backward(model, *batch(mixed))
    return gradients(model)


def distance(found, expected):
    """Return the relative error of all gradients together."""
    assert found.keys() == expected.keys()
    pairs = [(found[name], expected[name]) for name in expected]
    error = sum(((a - b) ** 2).sum() for a, b in pairs)
    return (error / sum((b**2).sum() for _, b in pairs)) ** 0.5


@pytest.mark.parametrize('count', [2, 4])
def test_processes_equal_one_with_the_whole_batch(count):
    losses = [
        *ROW_WISE.values(),
        *({**loss, 'batch': 'global'} for loss in OF_A_BATCH.values()),
    ]
    cases = [(loss, True, 'torch') for loss in losses]
    if count == 2:
        cases += [(losses[0], False, kind) for kind in ('torch', 'mmengine')]
        cases += [(loss, False, 'mmengine') for loss in losses[-3:]]
    ranks = on_ranks(count, of_rank, cases)
    for position, (loss, mixed, _) in enumerate(cases):
        expected = of_one(loss, mixed)
        for rank in ranks:
            assert distance(rank[position], expected) < 1e-6, loss


def test_a_loss_of_a_batch_is_that_of_each_process_by_default():
    cases = [(loss, True, 'torch') for loss in OF_A_BATCH.values()]
    ranks = on_ranks(2, of_rank, cases)
    for position, (loss, mixed, _) in enumerate(cases):
        assert distance(ranks[0][position], of_one(loss, mixed)) > 1e-6


@pytest.mark.parametrize('loss', ROW_WISE.values(), ids=ROW_WISE)
def test_accumulated_gradients_equal_those_of_the_whole_batch(loss):
    images, samples = tiny.batch(n=9)
    model = distilled(loss)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    wrapper = OptimWrapper(optimizer, accumulative_counts=3)
    before = tiny.snapshot(model)
    for part in (slice(0, 3), slice(3, 6), slice(6, 9)):
        with masks_from(part.start):
            losses = model(images[part].double(), samples[part], mode='loss')
        wrapper.update_params(model.parse_losses(losses)[0])
    whole = distilled(loss)
    with masks_from(0):
        backward(whole, images.double(), samples)
    found = {
        name: (before[name] - value.detach()).numpy()
        for name, value in model.named_parameters()
    }
    expected = gradients(whole)
    assert distance({name: found[name] for name in expected}, expected) < 1e-6


# What the processes tell each other.


def exchanged(rank, count, models):
    """Return what two steps of each model send, as {(call, shapes): times}."""
    found = []
    for config in models:
        torch.manual_seed(5)
        model = tiny.build(config)
        model = wrapped('mmengine', model)
        for _ in range(2):  # the first settles what is sent together
            backward(model, *tiny.batch())
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(
            activities=activities, record_shapes=True
        ) as profile:
            backward(model, *tiny.batch())
            backward(model, *tiny.batch())
        found.append(
            collections.Counter(
                (event.name, str(event.input_shapes))
                for event in profile.events()
                if event.name.startswith('gloo:')
            )
        )
    return found


def test_no_more_bytes_are_exchanged_than_by_the_plain_student():
    nkd, own = tiny.nkd(), {'mine': {'type': 'Projected'}}
    models = [
        tiny.resnet(),
        tiny.distilled(losses=nkd),
        tiny.distilled(losses={'tf_nkd': {'type': 'TFNKDLoss'}}),
        tiny.distilled(losses=own),
    ]
    plain, distilled, teacher_free, with_parameters = on_ranks(
        2, exchanged, models
    )[0]
    assert plain
    assert distilled == plain
    assert teacher_free == plain
    assert elements(with_parameters) - elements(plain) == 2 * (10 * 10 + 10)


def elements(calls):
    return sum(
        times * torch.Size(shape).numel()
        for (_, shapes), times in calls.items()
        for shape in eval(shapes)
    )


def build_teacher(rank, count, paths):
    try:
        tiny.built_teacher(tiny.resnet(), checkpoint=paths[rank])
    except ValueError as error:
        return str(error)
    return 'built'


def test_a_teacher_that_differs_between_processes_is_an_error(tmp_path):
    paths = []
    for seed in range(2):
        torch.manual_seed(seed)
        paths.append(str(tmp_path / f'{seed}.pth'))
        torch.save(tiny.build(tiny.resnet()).state_dict(), paths[-1])
    assert on_ranks(2, build_teacher, paths[:1] * 2) == ['built'] * 2
    for message in on_ranks(2, build_teacher, paths):
        assert message.startswith('Expected the same teacher on each process')
