"""What only a GPU can show: run by itself where torch sees one.

python -m pytest tests/test_gpu.py --no-cov
"""

import newer
import pytest
import torch
import torch.distributed
from draws import LOSSES, Loss, gradient_of, hard, logits
from tiny import batch, build, distilled, resnet, same, snapshot, teacher
from torch.nn.parallel import DistributedDataParallel

from mmnkd import FrozenTeacher

DEVICE = 'cuda'
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'),
]

ALL = {
    **LOSSES,
    **{
        name: Loss(loss, oracle, (0, 1, 2) if takes_target else (0, 1), values)
        for name, (loss, oracle, takes_target, values) in newer.LOSSES.items()
    },
}
# Relative errors of a gradient. Logits in 16 bits are rounded before the loss
# sees them, so both sides take the rounded ones.
TOLERANCE = {
    torch.float32: 1e-5,
    torch.bfloat16: 1e-2,
    torch.float16: 2e-3,
}


@pytest.fixture(autouse=True)
def exact_products():
    """Keep a cost matrix out of TensorFloat-32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
@pytest.mark.parametrize('loss', ALL.values(), ids=ALL)
def test_loss_agrees_with_float64(loss, dtype):
    shape = (9, 50)
    student, other = logits(shape).to(dtype), logits(shape, seed=1).to(dtype)
    target = hard(shape)
    inputs = [tensor.to(DEVICE) for tensor in (student, other, target)]
    value = loss(*inputs)
    expected = loss(student.double(), other.double(), target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(
        value.double().cpu(), expected, rtol=2e-5, atol=1e-6
    )
    gradient = gradient_of(loss, *inputs).double().cpu()
    exact = gradient_of(loss, student.double(), other.double(), target)
    error = (gradient - exact).norm() / exact.norm().clamp(min=1e-12)
    assert error < TOLERANCE[dtype]


def models():
    """Return a distilled model and its images, on the GPU."""
    model = build(distilled()).to(DEVICE).train()
    model.init_weights()
    images, samples = batch(16)
    samples = [sample.to(DEVICE) for sample in samples]
    return model, images.to(DEVICE), samples


def total(model, images, samples):
    return sum(
        v for k, v in model.loss(images, samples).items() if 'loss' in k
    )


def steps(model, images, samples, count=3, *, amp=None):
    """Take some steps of SGD as an optimizer wrapper does."""
    from mmengine.optim import build_optim_wrapper

    config = {'optimizer': {'type': 'SGD', 'lr': 0.05}}
    if amp:
        config.update(type='AmpOptimWrapper', dtype=amp)
    wrapper = build_optim_wrapper(model, config)
    losses = []
    for _ in range(count):
        with wrapper.optim_context(model):
            loss = total(model, images, samples)
        wrapper.update_params(loss)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_mixed_precision_trains_and_leaves_the_teacher(dtype):
    model, images, samples = models()
    network = model.teacher.network
    before = snapshot(network)
    first, *_, last = steps(model, images, samples, 20, amp=dtype)
    assert last < first
    assert same(snapshot(network), before)


def test_channels_last_and_compile_give_the_plain_steps():
    model, images, samples = models()
    weights = snapshot(model)
    expected = steps(model, images, samples)
    model.load_state_dict(weights)
    model.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    assert steps(model, images, samples) == pytest.approx(expected, rel=1e-3)
    model.load_state_dict(weights)
    model.backbone.compile()
    assert steps(model, images, samples) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize('options', [{'dtype': 'bfloat16'}, {'compile': True}])
def test_fast_teacher_answers_as_a_plain_one(options):
    images, _ = batch(16)
    images = images.to(DEVICE)
    preprocessor = build(resnet()).data_preprocessor.to(DEVICE)
    answers = []
    for extra in ({}, options):
        torch.manual_seed(0)
        made = FrozenTeacher(**teacher(**extra))
        made.build(preprocessor)
        answers.append(made(images, ['logits'])['logits'].float())
    torch.testing.assert_close(*answers, rtol=0.05, atol=0.05)


def test_nccl_with_one_rank_gives_the_plain_steps(tmp_path):
    model, images, samples = models()
    weights = snapshot(model)
    expected = steps(model, images, samples)
    model.load_state_dict(weights)
    torch.distributed.init_process_group(
        'nccl',
        init_method=f'file://{tmp_path}/rendezvous',
        rank=0,
        world_size=1,
    )
    try:
        parallel = DistributedDataParallel(model, device_ids=[0])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        got = []
        for _ in range(3):
            outputs = parallel(images, samples, mode='loss')
            loss = sum(v for k, v in outputs.items() if 'loss' in k)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            got.append(loss.item())
    finally:
        torch.distributed.destroy_process_group()
    assert got == pytest.approx(expected, rel=1e-4)


def test_a_step_never_waits_for_the_gpu():
    model, images, samples = models()
    total(model, images, samples).backward()  # the first looks at values
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        total(model, images, samples).backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')
