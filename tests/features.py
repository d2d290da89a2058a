"""What the tests of losses on features share: draws, goldens, configs."""

import tiny
import torch
from golden import GOLDEN

TAP = 'backbone.layer2'
TAPS = {'student_taps': TAP, 'teacher_taps': TAP}
LAYERS = ['backbone.layers.0', 'backbone.layers.1', 'backbone.ln1']
VIT_TAPS = {'student_taps': LAYERS[-1], 'teacher_taps': LAYERS[-1]}


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def load_golden(loss, case, **renamed):
    """Take the parameters of a case, under the names of this loss."""
    weights = {}
    for key in GOLDEN.files:
        if key.startswith(f'{case}/w.'):
            name = key.removeprefix(f'{case}/w.')
            module, _, rest = name.partition('.')
            module = renamed.get(module, module)
            weights[f'{module}.{rest}' if rest else module] = torch.from_numpy(
                GOLDEN[key]
            )
    loss.double().load_state_dict(weights, strict=True)


def convolutions(generation):
    """Return weight and bias of both, as lists."""
    return [
        (layer.weight.tolist(), layer.bias.tolist())
        for layer in (generation[0], generation[2])
    ]


def distilled(type_, **options):
    """Return the config of a ResNet with one loss on features, `feat`."""
    loss = {'type': type_, **TAPS, **options}
    return tiny.distilled(losses={'feat': loss})


def check_training(config, tmp_path):
    """Train, save and resume a model whose loss `feat` has parameters."""
    run = tiny.runner(config, tmp_path)
    loss = run.model.distill_losses['feat']
    before = {k: v.clone() for k, v in loss.named_parameters()}
    assert before
    run.train()
    after = dict(loss.named_parameters())
    stuck = [k for k, v in before.items() if torch.equal(v, after[k])]
    assert not stuck
    saved = tiny.saved(tmp_path / 'epoch_1.pth')['state_dict']
    resumed = tiny.runner(config, tmp_path, epochs=2, resume=True)
    resumed.load_or_resume()
    of_both = loss, resumed.model.distill_losses['feat']
    for state in (module.state_dict() for module in of_both):
        for key, value in state.items():
            assert torch.equal(saved[f'distill_losses.feat.{key}'], value)
