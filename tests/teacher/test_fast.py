"""The teacher's forward, made faster: the same outputs, or left as it was."""

import functools

import pytest
import tiny
import torch
from torch import nn

from mmnkd.teacher.fast import Forward, accelerated

MOBILENET = tiny.resnet()
MOBILENET['backbone'] = {'type': 'MobileNetV2', 'widen_factor': 0.1}
MOBILENET['head']['in_channels'] = 1280
NORMS = nn.modules.batchnorm._BatchNorm


def timm(name):
    return {'type': 'TimmClassifier', 'model_name': name, 'num_classes': 10}


def randomize(network):
    """Give batch normalization something to do, and logits of some size."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, NORMS):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
        elif isinstance(module, nn.Linear):
            module.weight.data.normal_(0, 0.2)
    return network.eval().requires_grad_(False)


class Net(nn.Module):
    """A network whose forward is any function of its parts."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.how = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.how(self, x)


def in_order(before=lambda x: x, after=lambda x: x):
    """Return a network that folds, with something before and after."""
    return Net(
        lambda self, x: after(self.f(self.n(self.c(self.p(before(x)))))),
        p=nn.Conv2d(3, 3, 1),
        c=nn.Conv2d(3, 4, 8),
        n=nn.BatchNorm2d(4),
        f=nn.Sequential(nn.Flatten(), nn.Linear(4, 5)),
    )


def crossed():
    """Return one that registers its norm in another order than it runs."""
    return Net(
        lambda self, x: (self.a(x) + self.n(self.b(x))).mean(dim=(2, 3)),
        a=nn.Conv2d(3, 4, 3),
        n=nn.BatchNorm2d(4),
        b=nn.Conv2d(3, 4, 3),
    )


def images(n=3, size=8):
    return tiny.batch(n, size)[0]


def fast(network, x, taps=(), logits=lambda result, _: result, **steps):
    options = {'accelerate': False, 'dtype': None, 'compile': False, **steps}
    names = {tap: tap for tap in taps}
    return accelerated(Forward(network), x, names, logits, **options)


def norms(network):
    return sum(isinstance(module, NORMS) for module in network.modules())


@pytest.mark.parametrize(
    ('model', 'size', 'left'),
    [
        (tiny.resnet(8), 8, 0),
        (MOBILENET, 32, 0),
        (timm('resnet10t'), 32, 1),  # in another module than its convolution
        (timm('mobilenetv3_small_050'), 32, None),  # has activations inside
        (tiny.vit(), 8, None),
    ],
    ids=['resnet', 'mobilenet', 'timm', 'timm with activations', 'vit'],
)
def test_a_folded_network_puts_out_the_same(model, size, left, log_text):
    network = randomize(tiny.build(model))
    before, count = tiny.snapshot(network), norms(network)
    forward = fast(network, images(3, size), accelerate=True)
    for n in (3, 5):
        actual, _ = forward(images(n, size), {})
        expected = network(images(n, size))
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    assert norms(forward.network) == (count if left is None else left)
    tried = 'folding' in log_text()
    assert tried == ('folding is on' in log_text()) == (left is not None)
    assert norms(network) == count
    assert tiny.same(network.state_dict(), before)


@pytest.mark.skipif(tiny.OLD_TORCH, reason='not every one has it on a CPU')
def test_low_precision_gives_float32_close_to_the_plain_outputs():
    network = randomize(tiny.build(tiny.resnet(8)))
    taps = {tap: tap for tap in ('backbone', 'backbone.layer2', 'head')}
    forward = fast(network, images(), taps, dtype=torch.float16)
    logits = forward(images(), taps)[1]['head']
    expected = network(images())
    assert not torch.allclose(logits, expected, 1e-5, 1e-5)
    torch.testing.assert_close(logits, expected, rtol=0.1, atol=0.1)
    outputs = forward(images(), taps)[1]
    features = outputs['backbone.layer2'], *outputs['backbone']  # a tuple
    assert all(feature.dtype == torch.float32 for feature in features)


@pytest.fixture
def compiles(monkeypatch):
    """Let torch.compile do without a C++ compiler."""
    compiler = functools.partial(torch.compile, backend='eager')
    monkeypatch.setattr(torch, 'compile', compiler)


@pytest.mark.usefixtures('compiles')
def test_all_steps_together_give_close_outputs(log_text):
    network = randomize(tiny.build(tiny.resnet(8)))
    steps = {'accelerate': True, 'dtype': torch.bfloat16, 'compile': True}
    forward = fast(network, images(), **steps)
    assert forward.run is not None
    actual, _ = forward(images(), {})
    torch.testing.assert_close(
        actual.float(), network(images()), rtol=0.1, atol=0.1
    )
    for step in ('channels_last', 'folding', 'dtype', 'compile'):
        assert f'{step} is on' in log_text()


# A step that isn't right is left out, the others stay.


def not_a_number(x):
    return x * float('nan') if x.dtype == torch.bfloat16 else x


LAYOUTS = [False]  # whether the last images were in channels-last memory


def look(x):
    LAYOUTS.append(x.is_contiguous(memory_format=torch.channels_last))
    return x


def off(x):
    """Change the logits of one sample of three by 2 %."""
    return x * torch.tensor([[1.0], [1.0], [1.02 if LAYOUTS[-1] else 1.0]])


@pytest.mark.parametrize(
    ('network', 'refused'),
    [
        (in_order(before=look, after=off), 'channels_last'),
        (crossed(), 'folding'),
        (in_order(after=not_a_number), 'dtype'),
        # bfloat16 keeps none of the logits here.
        (in_order(after=lambda x: x + 1e4 - 1e4), 'dtype'),
    ],
    ids=['one sample', 'crossed', 'NaN', 'cancelled'],
)
def test_each_step_is_refused_apart(network, refused, log_text):
    randomize(network)
    forward = fast(network, images(), accelerate=True, dtype=torch.bfloat16)
    for step in ('channels_last', 'folding', 'dtype'):
        what = 'left out, outputs' if step == refused else 'on, outputs'
        assert f'Teacher: {step} is {what}' in log_text()
    assert forward.channels_last == (refused != 'channels_last')
    assert (norms(forward.network) == 0) == (refused != 'folding')
    assert (forward.dtype is None) == (refused == 'dtype')


def test_a_plain_output_that_is_no_number_lets_nothing_pass():
    network = randomize(in_order(after=lambda x: x * float('nan')))
    forward = fast(network, images(), accelerate=True, dtype=torch.bfloat16)
    assert forward == Forward(network)


@pytest.mark.parametrize(
    ('steps', 'taps', 'reason'),
    [
        ({'dtype': torch.float64}, (), 'dtype is left out, it failed: '),
        ({'compile': True}, (), 'compile is left out, it failed: no compiler'),
        ({'compile': True}, ['n'], "compile is left out.*taps ['n']"),
    ],
)
def test_a_step_that_fails_is_left_out(
    steps, taps, reason, log_text, monkeypatch
):
    def fail(*args, **kwargs):
        raise RuntimeError('no compiler\n  here')

    monkeypatch.setattr(torch, 'compile', fail)
    network = randomize(in_order())
    forward = fast(network, images(), taps, accelerate=True, **steps)
    assert all(part in log_text() for part in reason.split('.*'))
    assert forward.run is None
    assert forward.dtype is None
    assert norms(forward.network) == 0
    torch.testing.assert_close(forward(images(), {})[0], network(images()))


def test_what_taps_put_out_is_compared_too():
    network = randomize(in_order())  # folding changes the convolution
    assert norms(fast(network, images(), ['n'], accelerate=True).network) == 0
    assert norms(fast(network, images(), ['c'], accelerate=True).network) == 1
    only = fast(network, images(), ['c'], logits=None, accelerate=True)
    assert norms(only.network) == 1


# Inside a teacher.


def built(model=None, **options):
    teacher = tiny.built_teacher(model or tiny.resnet(8), **options)
    randomize(teacher.network).train(options.get('mode') == 'train')
    return teacher


@pytest.mark.usefixtures('compiles')
@pytest.mark.parametrize(
    'options',
    [{}, {'dtype': 'bfloat16'}, {'compile': True}, {'accelerate': False}],
    ids=str,
)
def test_the_plain_network_stays_bit_for_bit(options):
    teacher = built(**options)
    network, before = teacher.network, tiny.snapshot(teacher.network)
    for taps in (['logits'], ['logits'], ['backbone.layer1']):
        for n in (3, 5):  # a new tap starts anew, as a move does
            teacher(images(n), taps)
    assert teacher.network is network
    after = network.state_dict()
    assert tiny.same(after, before)
    assert all(after[k].stride() == before[k].stride() for k in before)


def test_a_tap_that_is_asked_later_is_checked_and_compared():
    teacher = built()
    teacher(images())
    with pytest.raises(ValueError, match=r"tap to name.*'backbone.layer9'"):
        teacher(images(), ['backbone.layer9'])
    outputs = teacher(images(), ['backbone.conv1'])  # folding changes it
    expected = teacher.network.backbone.conv1(images())
    torch.testing.assert_close(outputs['backbone.conv1'], expected)


def test_logits_are_compared_where_features_were_asked_first(log_text):
    teacher = built(taps=['backbone.layer1'])
    teacher.network.backbone.layer2.register_forward_hook(
        lambda module, args, output: output + module[0].conv1(args[0])
    )
    teacher(images(), ['backbone.layer1'])
    assert 'folding is on' in log_text()
    expected = teacher.network(images())
    torch.testing.assert_close(teacher(images())['logits'], expected)
    assert 'folding is left out' in log_text()


def test_the_first_batch_takes_no_random_numbers_of_the_student():
    class Random(type(built().network.backbone.layer1[0])):
        def forward(self, x):
            return super().forward(x) + 0 * torch.rand(())

    states = []
    for options in ({'dtype': 'bfloat16'}, {'accelerate': False}):
        teacher = built(**options)
        teacher.network.backbone.layer1[0].__class__ = Random
        torch.manual_seed(1)
        teacher(images())
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_in_train_mode_nothing_is_folded_or_compared(log_text):
    teacher = built(mode='train')
    for _ in range(2):
        teacher(images())
    assert teacher.network.backbone.norm1.num_batches_tracked == 2
    assert 'Teacher: ' not in log_text()


def test_autocast_around_an_accelerated_teacher_is_in_force():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logits = built()(images())['logits']
    assert logits.dtype == torch.bfloat16
