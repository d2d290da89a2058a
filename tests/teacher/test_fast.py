"""The teacher's forward, made fast: the same outputs, or left as it was."""

import collections
import copy
import re
import sys

import pytest
import tiny
import torch
from command import run
from torch import nn

from mmnkd import FrozenTeacher
from mmnkd.cli._benchmark_old import peak_memory
from mmnkd.teacher.comparison import EXACT, Outputs, _without_tf32
from mmnkd.teacher.folding import fold_batch_norms, shared_copy
from mmnkd.teacher.forward import in_float32, joined
from mmnkd.teacher.packing import PackedConv2d, pack, unpack

MOBILENET = {
    'type': 'ImageClassifier',
    'backbone': {'type': 'MobileNetV2', 'widen_factor': 0.1},
    'neck': {'type': 'GlobalAveragePooling'},
    'head': {'type': 'LinearClsHead', 'num_classes': 10, 'in_channels': 1280},
}
TIMM = {'type': 'TimmClassifier', 'model_name': 'resnet10t', 'num_classes': 10}


def randomise(network):
    """Give batch normalisation something to do, and logits of some size."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
        elif isinstance(module, nn.Linear):
            module.weight.data.normal_(0, 0.2)


def built(model=None, taps=('logits',), **options):
    preprocessor = tiny.build(
        {**tiny.resnet(), 'data_preprocessor': dict(tiny.PREPROCESSOR)}
    ).data_preprocessor
    teacher = FrozenTeacher(model or tiny.resnet(8), None, **options)
    torch.manual_seed(0)
    teacher.build(preprocessor, taps)
    randomise(teacher.network)
    return teacher


def images(n=3, size=8):
    return tiny.batch(n, size)[0]


@pytest.fixture
def log(log_text):
    """Return what reads the log's lines about the teacher."""
    return lambda: [
        line for line in log_text().splitlines() if 'Teacher runs' in line
    ]


def count(network, kind):
    return sum(isinstance(module, kind) for module in network.modules())


@pytest.mark.parametrize(
    ('model', 'size', 'folded'),
    [
        (tiny.resnet(8), 8, True),
        (MOBILENET, 32, True),
        (TIMM, 32, True),
        (tiny.vit(), 8, False),
    ],
    ids=['resnet', 'mobilenet', 'timm', 'vit'],
)
def test_an_accelerated_teacher_puts_out_the_same(model, size, folded, log):
    if model is TIMM:
        pytest.importorskip('timm')
    batch = images(3, size)
    plain, fast = built(model, accelerate=False), built(model)
    expected = plain(batch)['logits']
    assert not log()
    for _ in range(2):
        actual = fast(batch)['logits']
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        fast(images(5, size))['logits'], plain(images(5, size))['logits']
    )
    assert count(plain.network, PackedConv2d) == 0
    assert count(fast.network, PackedConv2d) > 0
    if folded:
        assert count(plain.network, nn.BatchNorm2d) > 0
        assert count(fast.network, nn.BatchNorm2d) == 0
    (line,) = log()
    assert re.search(
        r'channels_last memory.*, weights packed \(\d+\): off by up to '
        r'\d\.\de[-+]\d\d in the logits \(whose standard deviation is '
        r'\d\.\de[-+]\d\d\), \d\.\de[-+]\d\d in probability',
        line,
    )


def test_the_plain_network_is_left_as_it_was():
    teacher = built()
    before = {k: v.clone() for k, v in teacher.network.state_dict().items()}
    network = teacher.network
    teacher(images())
    assert teacher.network is not network
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_in_train_mode_nothing_is_folded(log):
    teacher = built(mode='train')
    teacher(images())
    assert count(teacher.network, nn.BatchNorm2d) == 10
    assert not log()


@pytest.mark.parametrize(
    'options',
    [{'dtype': 'bfloat16'}, {'compile': True}, {'micro_batch_size': 2}],
)
def test_in_train_mode_what_changes_statistics_is_refused(options):
    with pytest.raises(ValueError, match="no `dtype`.*mode 'train'"):
        FrozenTeacher(tiny.resnet(), None, mode='train', **options)


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'dtype': 'float64'}, ValueError, "'bfloat16', 'float16'.*'float64'"),
        ({'dtype': torch.float32}, ValueError, 'got torch.float32'),
        (
            {'tolerance': 1.5},
            ValueError,
            'tolerance.*less than 1.*1.5',
        ),
        ({'micro_batch_size': 0}, ValueError, 'micro_batch_size.*got 0'),
    ],
)
def test_bad_options_are_refused_before_anything_is_built(
    options, error, message
):
    with pytest.raises(error, match=message):
        FrozenTeacher('no/such.py', None, **options)


# Folding.


class Net(nn.Module):
    """A network whose forward is any function of its parts."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.how = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.how(self, x)


def norm():
    return nn.BatchNorm2d(4)


def convolution(**options):
    return nn.Conv2d(4, 4, 3, padding=1, **options)


def folded(network, taps=(), x=None):
    """Return how many were folded, after a look at the outputs."""
    randomise(network)
    network.eval()
    x = torch.randn(2, 4, 5, 5) if x is None else x
    expected = network(x)
    fast = shared_copy(network)
    number = fold_batch_norms(fast, lambda: fast(x), taps)
    torch.testing.assert_close(fast(x), expected, rtol=1e-4, atol=1e-5)
    return number


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('affine', [False, True])
def test_batch_norm_is_folded_wherever_it_reads_a_convolution(bias, affine):
    network = Net(
        lambda self, x: self.n(self.c(x)).relu(),
        n=nn.BatchNorm2d(4, affine=affine) if affine else norm(),
        c=convolution(bias=bias, groups=2),
    )
    assert folded(network) == 1


@pytest.mark.parametrize(
    'network',
    [
        Net(lambda self, x: self.c(self.n(x)), c=convolution(), n=norm()),
        Net(
            lambda self, x: self.n(self.c(self.c(x))),
            c=convolution(),
            n=norm(),
        ),
        Net(
            lambda self, x: self.n(self.c(x)) + self.n(x),
            c=convolution(),
            n=norm(),
        ),
        Net(
            lambda self, x: (lambda y: self.n(y) + self.r(y))(self.c(x)),
            c=convolution(),
            n=norm(),
            r=nn.ReLU(),
        ),
        Net(
            lambda self, x: self.n(self.c(x).relu()),
            c=convolution(),
            n=norm(),
        ),
        Net(
            lambda self, x: self.n(self.c(x)),
            c=convolution(),
            n=nn.BatchNorm2d(4, track_running_stats=False),
        ),
        Net(
            lambda self, x: self.n(self.c(x)),
            c=nn.utils.parametrizations.weight_norm(convolution()),
            n=norm(),
        ),
        Net(lambda self, x: self.n(self.c(x)), c=nn.Identity(), n=norm()),
    ],
    ids=[
        'before',
        'convolution twice',
        'norm twice',
        'another reader',
        'relu between',
        'no statistics',
        'parametrized',
        'no convolution',
    ],
)
def test_batch_norm_stays_where_folding_would_be_wrong(network):
    if isinstance(network.n, nn.BatchNorm2d) and not (
        network.n.track_running_stats
    ):
        network.n.train(False)
        network.n.running_mean = None
        assert fold_batch_norms(network.eval(), lambda: None, ()) == 0
        return
    assert folded(network) == 0


@pytest.mark.parametrize(
    ('tap', 'number'),
    [
        ('block.c', 0),
        ('block.c.weight', 0),
        ('block.n.bias', 0),
        ('block', 1),
        ('block.n', 1),
    ],
)
def test_a_tap_of_what_folding_changes_keeps_it(tap, number):
    block = Net(lambda self, x: self.n(self.c(x)), c=convolution(), n=norm())
    network = Net(lambda self, x: self.block(x), block=block)
    assert folded(network, [tap]) == number


def test_what_reads_between_in_a_function_is_found_by_the_comparison(log):
    class Reader(type(built().network.backbone.layer1[0])):
        def forward(self, x):
            between = self.conv1(x)
            return self.norm1(between) + between.sigmoid()

    teacher = built()
    plain = built(accelerate=False)
    for each in (teacher, plain):
        each.network.backbone.layer1[0].__class__ = Reader
    torch.testing.assert_close(
        teacher(images())['logits'], plain(images())['logits']
    )
    assert 'without `batch norm folding`, which is off by up to' in log()[0]
    assert count(teacher.network, nn.BatchNorm2d) == 10


# Packed convolutions.


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_packed_convolutions_are_convolutions(dtype):
    convolutions = [
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 8, (1, 3), dilation=2, padding=(0, 2), groups=2),
    ]
    for plain in convolutions:
        plain.requires_grad_(False).eval()
        network = nn.Sequential(plain)
        for size in (9, 14):
            x = torch.randn(2, 4, size, size).to(dtype)
            expected = plain.to(dtype)(x)
            plain.float()
            fast = shared_copy(network)
            assert pack(fast, lambda x=x, f=fast: f(x.float()), dtype, ()) == 1
            for n in (2, 1):
                torch.testing.assert_close(fast(x[:n]), expected[:n])
        unpack(fast)
        assert type(fast[0]) is nn.Conv2d
        assert fast[0].extra_repr() == plain.extra_repr()
        for name, value in plain.state_dict().items():
            rounded = value.to(dtype).float()
            assert torch.equal(fast[0].state_dict()[name], rounded)


@pytest.mark.parametrize(
    ('network', 'taps'),
    [
        (nn.Sequential(nn.Conv2d(4, 4, 3, padding='same')), ()),
        (
            nn.Sequential(
                nn.Conv2d(4, 4, 3, padding=1, padding_mode='circular')
            ),
            (),
        ),
        (nn.Sequential(nn.Conv2d(4, 4, 3).double()), ()),
        (nn.Sequential(nn.Conv2d(4, 4, 3)), ('0.weight',)),
    ],
    ids=['same', 'circular', 'float64', 'tapped'],
)
def test_what_can_not_be_packed_is_left(network, taps):
    weight = network[0].weight
    x = torch.randn(1, 4, 6, 6, dtype=weight.dtype)
    assert pack(network, lambda: network(x), torch.float32, taps) == 0


# Precision.


def test_low_precision_is_asked_for_compared_and_logged(log):
    plain, low = built(accelerate=False), built(dtype='bfloat16')
    expected, actual = plain(images())['logits'], low(images())['logits']
    assert actual.dtype == torch.float32
    assert not torch.allclose(actual, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(actual, expected, rtol=0.1, atol=0.1)
    (line,) = log()
    assert 'bfloat16' in line
    assert 'in probability' in line


def test_low_precision_beyond_the_tolerance_is_refused(log):
    plain = built(accelerate=False)
    low = built(dtype=torch.bfloat16, tolerance=1e-6)
    torch.testing.assert_close(
        low(images())['logits'], plain(images())['logits']
    )
    assert "without `dtype='bfloat16'`, which is off by up to" in log()[0]


def test_features_are_compared_too_and_come_in_float32(log):
    taps = {'backbone.layer2', 'head.fc.weight'}
    plain = built(accelerate=False)(images(), taps)
    low = built(taps=taps, dtype='bfloat16')(images(), taps)
    for tap in taps:
        assert low[tap].dtype == torch.float32
    assert torch.equal(low['head.fc.weight'], plain['head.fc.weight'])
    torch.testing.assert_close(
        low['backbone.layer2'], plain['backbone.layer2'], rtol=0.1, atol=0.1
    )
    assert re.search(r'off by .*of the largest feature', log()[0])


def test_a_dtype_that_the_device_has_not_is_one_line_and_the_plain_path(
    log, monkeypatch
):
    original = torch.autocast

    def autocast(device, dtype=None, enabled=True):
        if dtype == torch.float16:
            raise RuntimeError('no Half\nhere')
        return original(device, dtype=dtype, enabled=enabled)

    monkeypatch.setattr(torch, 'autocast', autocast)
    teacher = built(dtype='float16')
    plain = built(accelerate=False)
    torch.testing.assert_close(
        teacher(images())['logits'], plain(images())['logits']
    )
    assert "without `dtype='float16'`, which fails: no Half here." in log()[0]


# torch.compile.


def test_compile_compiles(log, monkeypatch):
    monkeypatch.setattr(
        torch,
        'compile',
        lambda network, original=torch.compile: original(
            network, backend='aot_eager'
        ),
    )
    teacher, plain = built(compile=True), built(accelerate=False)
    torch.testing.assert_close(
        teacher(images())['logits'], plain(images())['logits']
    )
    assert 'torch.compile' in log()[-1]


def test_compile_without_a_compiler_is_one_line_and_the_plain_path(tmp_path):
    report = run(
        *(
            'env',
            'PYTHONPATH=tests',
            'CXX=/no/such/compiler',
            f'TORCHINDUCTOR_CACHE_DIR={tmp_path}',
        ),
        *(sys.executable, '-W', 'ignore', '-c'),
        'import test_speedup as t; teacher = t.built(compile=True); '
        "print(teacher(t.images())['logits'].shape)",
    )
    assert 'torch.Size([3, 10])' in report
    assert len(re.findall('without `compile`, which fails:', report)) == 1


def test_compile_with_taps_is_one_line_and_the_plain_path(log):
    teacher = built(taps=['backbone.layer2'], compile=True)
    teacher(images(), ['backbone.layer2'])
    assert "without `compile`, which fails: the taps ['backb" in log()[0]


# Parts of a batch.


@pytest.mark.parametrize('size', [1, 2, 5])
def test_micro_batches_join_to_the_batch(size):
    taps = ('logits', 'backbone.layer2', 'head.fc.bias')
    whole = built(accelerate=False)(images(5), taps)
    parts = built(taps=taps, micro_batch_size=size)(images(5), taps)
    assert parts.keys() == whole.keys()
    for tap in taps:
        torch.testing.assert_close(parts[tap], whole[tap])


def test_micro_batches_take_less_memory():
    batch = images(16)
    whole, parts = built(), built(micro_batch_size=2)
    whole(batch), parts(batch)
    peak = [peak_memory(lambda t=t: t(batch)) for t in (whole, parts)]
    assert peak[1] < peak[0] / 4


def test_outputs_of_several_parts_are_joined():
    part = {'a': (torch.ones(2, 3), [torch.zeros(2)]), 'b': 'name'}
    whole = joined([part, part])
    assert whole['a'][0].shape == (4, 3)
    assert whole['a'][1][0].shape == (4,)
    assert whole['b'] == 'name'


# What may be asked of it later.


def test_a_tap_that_nobody_named_before_is_an_error():
    teacher = built()
    teacher(images())
    with pytest.raises(ValueError, match=r"got \['backbone.layer1'\] too"):
        teacher(images(), ['backbone.layer1'])


def test_an_accelerated_teacher_follows_its_images_to_another_device():
    teacher = built()
    teacher(images())
    assert teacher(images().to('meta'))['logits'].is_meta
    assert count(teacher.network, PackedConv2d) == 0


def test_autocast_around_an_accelerated_teacher_is_still_in_force(log):
    with torch.autocast('cpu', dtype=torch.bfloat16):
        teacher = built()
        logits = teacher(images())['logits']
    assert logits.dtype == torch.bfloat16
    assert count(teacher.network, PackedConv2d) == 0
    assert re.search('off by up to 0.0|e-0[5-9]', log()[0])


def test_a_distilled_step_takes_the_memory_of_a_forward_of_the_teacher():
    batch, samples = tiny.batch(32, 16)
    student = tiny.build(tiny.resnet())
    distilled = tiny.build(tiny.distilled())

    def step(model):
        loss, _ = model.parse_losses(model.loss(batch, samples))
        loss.backward()
        model.zero_grad(set_to_none=True)

    step(student), step(distilled)
    alone = peak_memory(lambda: step(student))
    together = peak_memory(lambda: step(distilled))
    forward = peak_memory(lambda: distilled.teacher(batch))
    logits = 4 * 4 * 32 * 10  # of both, a gradient, and scratch memory
    assert together <= alone + forward + 4 * logits


# What the comparison sees.


def outputs(logits, *features):
    return Outputs(logits, list(features))


@pytest.mark.parametrize(
    'sure',
    [
        torch.zeros(1, 1000),
        100 * torch.nn.functional.one_hot(torch.tensor([3]), 1000).float(),
    ],
    ids=['many classes', 'a sure teacher'],
)
def test_logits_may_not_differ_where_probabilities_hardly_can(sure):
    logits = sure + torch.randn(1, 1000) * 0.1
    plain = outputs(logits)
    other = outputs(logits + 0.02 * torch.randn(1, 1000))
    error = other.error(plain)
    assert error.probability < 1e-4
    assert not error.is_within(EXACT)
    assert outputs(logits + 1e-6).error(plain).is_within(EXACT)


@pytest.mark.parametrize('place', [0, 1])
def test_not_a_number_is_off(place):
    features = [torch.ones(3), torch.ones(3)]
    plain = outputs(None, *features)
    assert outputs(None, *features).error(plain).is_within(EXACT)
    features[place] = torch.tensor([1.0, float('nan'), 1.0])
    assert not outputs(None, *features).error(plain).is_within(EXACT)
    logits = torch.tensor([[1.0, float('nan')]])
    error = outputs(logits).error(outputs(torch.ones(1, 2)))
    assert not error.is_within(EXACT)


def test_a_teacher_of_features_needs_no_logits(log):
    model = {**tiny.resnet(8), 'head': None, 'neck': None}
    teacher = built(model, taps=['backbone.layer2'])
    plain = built(model, taps=['backbone.layer2'], accelerate=False)
    expected = plain(images(), ['backbone.layer2'])
    actual = teacher(images(), ['backbone.layer2'])
    torch.testing.assert_close(actual, expected)
    assert 'of the largest feature' in log()[0]


def test_a_teacher_left_as_it_is_is_not_compared(log):
    teacher = built(accelerate=False)
    calls = []
    teacher.network.register_forward_hook(lambda *_: calls.append(1))
    teacher(images())
    teacher(images(), ['backbone.layer1'])
    assert len(calls) == 2
    assert not log()


def test_the_first_batch_takes_no_random_numbers_of_the_student():
    class Random(type(built().network.backbone.layer1[0])):
        def forward(self, x):
            return super().forward(x) + 0 * torch.rand(())

    states = []
    for options in ({}, {'accelerate': False}):
        teacher = built(**options)
        teacher.network.backbone.layer1[0].__class__ = Random
        torch.manual_seed(1)
        teacher(images())
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_a_network_that_reads_its_convolutions_still_can():
    teacher = built()
    plain = teacher.network.backbone.conv1
    teacher(images())
    packed = teacher.network.backbone.conv1
    assert type(packed) is PackedConv2d
    for name in ('stride', 'kernel_size', 'padding', 'in_channels', 'groups'):
        assert getattr(packed, name) == getattr(plain, name)
    assert packed.weight.shape == plain.weight.shape
    assert repr(packed).split('(')[1] == repr(plain).split('(')[1]
    copied = copy.deepcopy(teacher.network)
    torch.testing.assert_close(copied(images()), teacher.network(images()))


def test_a_refused_compile_leaves_the_rest(log):
    taps = ['backbone.layer2']
    teacher = built(taps=taps, compile=True)
    teacher(images(), taps)
    assert count(teacher.network, PackedConv2d) > 0


def test_named_tuples_and_mappings_keep_their_type():
    pair = collections.namedtuple('pair', 'a b')
    part = collections.OrderedDict(x=pair(torch.ones(2).half(), 3))
    for whole in (joined([part, part]), in_float32(part)):
        assert type(whole) is collections.OrderedDict
        assert type(whole['x']) is pair
    assert joined([part, part])['x'].a.shape == (4,)
    assert in_float32(part)['x'].a.dtype == torch.float32
    assert part['x'].a.dtype == torch.float16


def test_a_convolution_called_by_keyword_is_left():
    network = Net(lambda self, x: self.c(input=x), c=convolution())
    x = torch.randn(1, 4, 5, 5)
    assert pack(network, lambda: network(x), torch.float32, ()) == 0


def test_precision_around_the_comparison_is_put_back():
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    for allowed in (True, False):
        matmul.allow_tf32 = allowed
        with _without_tf32():
            pass
        assert matmul.allow_tf32 == allowed
    matmul.allow_tf32 = before
