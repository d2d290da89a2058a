"""Losses with parameters: values, projections, training, export."""

import pytest
import reference
import timm
import tiny
import torch
from golden import GOLDEN, golden, settings_of
from mmpretrain.models import ImageClassifier
from torch import nn

from mmnkd.checkpoint import export_student
from mmnkd.classifier.dry_run import blank_image
from mmnkd.losses import MGDLoss, SRRLLoss, USKDLoss, ViTKDLoss

TAPS = {'student_taps': 'backbone.layer2', 'teacher_taps': 'backbone.layer2'}
LAYERS = ['backbone.layers.0', 'backbone.layers.1', 'backbone.ln1']
VIT_TAPS = {'student_taps': LAYERS[-1], 'teacher_taps': LAYERS[-1]}


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


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def convolutions(generation):
    """Return weight and bias of both, as lists."""
    return [
        (layer.weight.tolist(), layer.bias.tolist())
        for layer in (generation[0], generation[2])
    ]


# Values.


def test_mgd_reproduces_the_golden_value():
    case = '044/mgd'
    loss = MGDLoss(
        **TAPS,
        student_channels=4,
        teacher_channels=6,
        **settings_of(case),
    )
    load_golden(loss, case)
    student, teacher = (
        golden(case, 'feat_student'),
        golden(case, 'feat_teacher'),
    )
    actual = loss(student, teacher, None)
    torch.testing.assert_close(actual, golden(case, 'loss'), rtol=1e-9, atol=0)


def test_srrl_reproduces_the_golden_value():
    case = '045/srrl'
    loss = SRRLLoss(
        **TAPS,
        student_channels=6,
        teacher_channels=6,
        **settings_of(case),
    )
    aligned = golden(case, 'feat_student_aligned')
    loss.connector = nn.Identity()  # the features went through it already
    # A linear layer that maps each of the three pooled features to its logits.
    wanted = golden(case, 'logits_student_through_teacher_head')
    weight = torch.linalg.lstsq(aligned.mean(dim=(2, 3)), wanted).solution.T
    bias = torch.zeros(len(weight)).double()
    teacher = (
        golden(case, 'feat_teacher'),
        golden(case, 'logits_teacher'),
        weight,
        bias,
    )
    actual = sum(loss(aligned, teacher, None).values())
    torch.testing.assert_close(actual, golden(case, 'loss'), rtol=1e-9, atol=0)


def test_vitkd_reproduces_the_golden_value(monkeypatch):
    case = '046/vitkd'
    loss = ViTKDLoss(
        student_taps=LAYERS,
        teacher_taps=LAYERS,
        student_channels=4,
        teacher_channels=6,
        **settings_of(case),
    )
    load_golden(loss, case, align2='align_low', align='align_high')
    noise = golden(case, 'noise')
    monkeypatch.setattr(torch, 'rand', lambda *size, device: noise)
    student, teacher = (
        (*golden(case, f'low_{who}').unbind(1), golden(case, f'high_{who}'))
        for who in ('student', 'teacher')
    )
    actual = sum(loss(student, teacher, None).values())
    torch.testing.assert_close(actual, golden(case, 'loss'), rtol=1e-9, atol=0)


def test_mgd_is_the_formula_in_loops():
    loss = MGDLoss(
        **TAPS,
        student_channels=3,
        teacher_channels=4,
        alpha=0.5,
        mask_ratio=0.5,
        reduction='none',
    ).double()
    student, teacher = draw(2, 3, 3, 5), draw(2, 4, 3, 5, seed=1)
    loss.current_image_size = (30, 50)
    torch.manual_seed(4)
    actual = loss(student, teacher, None)
    torch.manual_seed(4)
    kept = torch.rand(2, 4, 1, 1) >= 0.5
    assert 0 < kept.sum() < 8
    expected = [
        reference.mgd(
            student[n].tolist(),
            teacher[n].tolist(),
            kept[n].flatten().tolist(),
            (loss.align.weight.tolist(), loss.align.bias.tolist()),
            *convolutions(loss.generation),
            alpha=0.5,
        )
        for n in range(2)
    ]
    assert actual.tolist() == pytest.approx(expected, rel=1e-10)


def test_srrl_is_the_formula_in_loops():
    loss = SRRLLoss(
        **TAPS,
        student_channels=3,
        teacher_channels=4,
        alpha=0.5,
        beta=2.0,
        reduction='none',
    ).double()
    head = nn.Linear(4, 7).double()
    student, teacher = draw(2, 3, 3, 5), draw(2, 4, 3, 5, seed=1)
    loss.current_image_size = (30, 50)
    logits = head(teacher.mean(dim=(2, 3)))
    given = (teacher, logits, head.weight, head.bias)
    convolution, norm, _ = loss.connector
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    actual = sum(loss(student, given, None).values())
    aligned = reference.connect(
        student.tolist(),
        convolution.weight.tolist(),
        norm.weight.tolist(),
        norm.bias.tolist(),
    )
    expected = [
        reference.srrl(
            aligned[n],
            teacher[n].tolist(),
            head.weight.tolist(),
            head.bias.tolist(),
            alpha=0.5,
            beta=2.0,
        )
        for n in range(2)
    ]
    assert actual.tolist() == pytest.approx(expected, rel=1e-10)


def test_vitkd_is_the_formula_in_loops():
    loss = ViTKDLoss(
        student_taps=LAYERS,
        teacher_taps=LAYERS,
        student_channels=3,
        teacher_channels=4,
        alpha=0.5,
        beta=2.0,
        mask_ratio=0.3,
        reduction='none',
    ).double()
    nn.init.normal_(loss.mask_token)
    student = [draw(2, 1 + 9, 3, seed=n) for n in range(3)]  # a class token
    teacher = [draw(2, 1 + 9, 4, seed=n) for n in range(3, 6)]
    torch.manual_seed(4)
    actual = loss(tuple(student), tuple(teacher), None)
    torch.manual_seed(4)
    noise = torch.rand(2, 9)
    low = [
        reference.squared_error(align(s[:, 1:])[n].tolist(), t[n, 1:].tolist())
        for n in range(2)
        for align, s, t in zip(loss.align_low, student, teacher)
    ]
    expected = [0.5 * (low[0] + low[1]), 0.5 * (low[2] + low[3])]
    assert actual['mimicking'].tolist() == pytest.approx(expected, rel=1e-10)
    expected = [
        reference.vitkd_generation(
            loss.align_high(student[2][n, 1:]).tolist(),
            teacher[2][n, 1:].tolist(),
            noise[n].tolist(),
            loss.mask_token.flatten().tolist(),
            *convolutions(loss.generation),
            (2.0, 0.3),
        )
        for n in range(2)
    ]
    assert actual['generation'].tolist() == pytest.approx(expected, rel=1e-10)


def test_tokens_of_wide_images_have_a_wide_grid():
    # A class token and 3x5 patches would also be a square of 4x4.
    vit = tiny.vit()
    vit['backbone']['img_size'] = (12, 20)
    losses = features('MGDLoss', **VIT_TAPS)
    model = tiny.build(tiny.distilled(vit, tiny.teacher(vit), losses))
    grids = []
    model.distill_losses['feat'].generation.register_forward_hook(
        lambda module, args, output: grids.append(tuple(output.shape[2:]))
    )
    images = torch.randn(2, 3, 12, 20)
    samples = tiny.batch(2)[1]
    assert torch.isfinite(model.loss(images, samples)['loss_feat'])
    assert grids == [(3, 5)]


def test_maps_with_channels_last_are_measured_and_read():
    swin = {
        'type': 'TimmClassifier',
        'model_name': 'swin_tiny_patch4_window7_224',
        'embed_dim': 12,
        'depths': (1, 1),
        'num_heads': (1, 2),
        'num_classes': 10,
        'loss': {'type': 'CrossEntropyLoss'},
    }
    losses = {
        'uskd': {
            'type': 'USKDLoss',
            'student_taps': ['logits', 'model.layers.0'],
        }
    }
    model = tiny.build(
        {**swin, 'type': 'DistilledTimmClassifier', 'distill_losses': losses}
    )
    loss = model.distill_losses['uskd']
    assert (loss.in_channels, loss.num_classes) == (12, 10)
    log = model.loss(torch.randn(2, 3, 224, 224), tiny.batch(2)[1])
    assert torch.isfinite(log['loss_uskd_weak'])


def test_equal_channels_need_no_projection():
    channels = {'student_channels': 4, 'teacher_channels': 4}
    assert isinstance(MGDLoss(**TAPS, **channels).align, nn.Identity)
    vitkd = ViTKDLoss(student_taps=LAYERS, teacher_taps=LAYERS, **channels)
    assert isinstance(vitkd.align_high, nn.Identity)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_features_of_low_precision_do_not_overflow(dtype):
    loss = MGDLoss(
        **TAPS, student_channels=2, teacher_channels=2, alpha=1.0
    ).to(dtype)
    student = torch.full((2, 2, 3, 3), 300.0, dtype=dtype)
    result = loss(student, -student, None)
    assert result.dtype == torch.float32
    assert torch.isfinite(result)


# In a model: taps, measured and declared sizes, training.


def features(type_, **options):
    return {'feat': {'type': type_, **TAPS, **options}}


WEAK = ['logits', 'backbone.layer1']
CNN_LOSSES = {
    'MGD': features('MGDLoss'),
    'SRRL': features('SRRLLoss'),
    'USKD': {'feat': {'type': 'USKDLoss', 'student_taps': WEAK}},
}
VIT_LOSSES = {
    'ViTKD': {
        'feat': {
            'type': 'ViTKDLoss',
            'student_taps': LAYERS,
            'teacher_taps': LAYERS,
        },
        **tiny.nkd(),
    },
    'MGD on tokens': features('MGDLoss', **VIT_TAPS),
    'USKD on the class token': {
        'feat': {
            'type': 'USKDLoss',
            'student_taps': ['logits', 'backbone.layers.0'],
        }
    },
}


def distilled(name):
    if name in CNN_LOSSES:
        return tiny.distilled(losses=CNN_LOSSES[name])
    teacher = tiny.teacher(tiny.vit(dims=24))
    return tiny.distilled(tiny.vit(), teacher, VIT_LOSSES[name])


@pytest.mark.parametrize('name', [*CNN_LOSSES, *VIT_LOSSES])
def test_parameters_are_trained_saved_and_resumed(name, tmp_path):
    run = tiny.runner(distilled(name), tmp_path)
    loss = run.model.distill_losses['feat']
    before = {k: v.clone() for k, v in loss.named_parameters()}
    assert before
    run.train()
    after = dict(loss.named_parameters())
    stuck = [k for k, v in before.items() if torch.equal(v, after[k])]
    assert not stuck
    saved = tiny.saved(tmp_path / 'epoch_1.pth')['state_dict']
    for key, value in loss.state_dict().items():
        assert torch.equal(saved[f'distill_losses.feat.{key}'], value)
    resumed = tiny.runner(distilled(name), tmp_path, epochs=2, resume=True)
    resumed.load_or_resume()
    for key, value in (
        resumed.model.distill_losses['feat'].state_dict().items()
    ):
        assert torch.equal(saved[f'distill_losses.feat.{key}'], value)


def test_parameters_are_not_exported(tmp_path):
    tiny.train(
        distilled('MGD'),
        tmp_path,
        custom_hooks=[{'type': 'EMAHook', 'momentum': 0.1}],
    )
    saved = tiny.saved(tmp_path / 'epoch_1.pth')
    export_student(str(tmp_path / 'epoch_1.pth'), tmp_path / 'out' / 'x.pth')
    exported = torch.load(tmp_path / 'out' / 'x.pth', weights_only=True)
    assert set(exported) == {'state_dict', 'meta'}
    assert exported['meta']['dataset_meta'] == saved['meta']['dataset_meta']
    plain = tiny.build(tiny.resnet())
    plain.load_state_dict(exported['state_dict'], strict=True)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, saved['state_dict'][key])
    with pytest.raises(FileExistsError, match='no file at.*x.pth'):
        export_student(
            str(tmp_path / 'epoch_1.pth'), tmp_path / 'out' / 'x.pth'
        )


def test_a_traced_student_holds_no_parameters_of_losses():
    model = tiny.build(distilled('MGD')).eval()
    images, _ = tiny.batch()
    traced = torch.jit.trace(model, images)
    assert torch.equal(traced(images), model(images))
    used = torch.jit.freeze(traced).graph
    assert 'distill_losses' not in str(used)


def test_sizes_are_measured_without_a_trace_on_the_student():
    torch.manual_seed(0)
    plain = tiny.build(tiny.resnet())
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = tiny.build(distilled('MGD'))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert model.teacher.network is None
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)
    loss = model.distill_losses['feat']
    assert (loss.student_channels, loss.teacher_channels) == (8, 16)


def test_an_init_cfg_of_the_student_leaves_the_losses_alone():
    init = {'type': 'TruncNormal', 'layer': ['Linear', 'Conv2d'], 'std': 9.0}
    student = {**tiny.vit(), 'init_cfg': init}
    states = []
    for losses in (None, features('MGDLoss')):
        torch.manual_seed(0)
        config = student
        if losses is not None:
            losses = {'feat': {**losses['feat'], **VIT_TAPS}}
            teacher = tiny.teacher(tiny.vit(dims=24))
            config = tiny.distilled(student, teacher, losses)
        model = tiny.build(config)
        model.init_weights()
        states.append(model.state_dict())
        if losses is not None:
            weight = model.distill_losses['feat'].generation[0].weight
            assert weight.std() < 1  # the loss's own initialisation
    for state in states[1:]:
        for key, value in states[0].items():
            assert torch.equal(state[key], value), key


def test_a_pretrained_student_brings_its_losses_along(tmp_path):
    trained = tiny.build(distilled('USKD'))
    path = tmp_path / 'trained.pth'
    torch.save(trained.state_dict(), path)
    init = {'type': 'Pretrained', 'checkpoint': str(path)}
    model = tiny.build({**distilled('USKD'), 'init_cfg': init})
    model.init_weights()
    for key, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


def test_a_failed_initialisation_can_be_repeated():
    model = tiny.build(distilled('USKD'))
    losses, build = model.distill_losses, model.backbone.init_weights
    model.backbone.init_weights = None
    with pytest.raises(TypeError, match='NoneType'):
        model.init_weights()
    model.backbone.init_weights = build
    assert model.distill_losses is losses
    model.init_weights()


def test_a_teacher_of_another_shape_has_grids_of_its_own():
    vit = {**tiny.vit()}
    vit['backbone'] = {**vit['backbone'], 'img_size': 16}
    losses = features('SRRLLoss', teacher_taps=LAYERS[-1])
    losses['feat']['teacher_head'] = 'head.layers.head'
    for teacher in (
        tiny.teacher(vit, input_size=16),
        [tiny.teacher(vit, input_size=16)],
    ):
        if isinstance(teacher, list):
            losses['feat']['teacher_taps'] = f'0.{LAYERS[-1]}'
            losses['feat']['teacher_head'] = '0.head.layers.head'
        model = tiny.build(tiny.distilled(None, teacher, losses))
        log = model.loss(torch.randn(2, 3, 8, 12), tiny.batch(2)[1])
        assert torch.isfinite(log['loss_feat_features'])


def test_errors_of_taps_are_not_dressed_up_by_measuring():
    losses = features('MGDLoss', teacher_taps='backbone.layer2.0.relu')
    with pytest.raises(RuntimeError, match='^Expected the forward of Image'):
        tiny.build(tiny.distilled(losses=losses))


def test_a_teacher_of_one_size_says_what_to_declare():
    teacher = {
        'type': 'TimmClassifier',
        'model_name': 'vit_tiny_patch16_224',
        'img_size': 32,
        'depth': 1,
    }
    losses = features('MGDLoss', teacher_taps='model.blocks.0')
    with pytest.raises(ValueError, match=r'TimmClassifier.*224.*Declare'):
        tiny.build(tiny.distilled(None, tiny.teacher(teacher), losses))


def test_taps_are_those_of_the_class_or_the_config():
    class Named(MGDLoss):
        student_taps = teacher_taps = 'backbone.layer2'

    assert Named(student_channels=8, teacher_channels=16).generation
    with pytest.raises(ValueError, match="MGDLoss to name.*got 'logits'"):
        MGDLoss(student_channels=8, teacher_channels=16)


def test_measuring_downloads_nothing(monkeypatch):
    asked = []
    create = timm.models.create_model

    def create_model(*args, pretrained=False, **kwargs):
        asked.append(pretrained)
        return create(*args, **kwargs)

    monkeypatch.setattr(timm.models, 'create_model', create_model)
    teacher = {
        'type': 'TimmClassifier',
        'model_name': 'resnet18',
        'pretrained': True,
    }
    losses = features('MGDLoss', teacher_taps='model.layer4')
    model = tiny.build(tiny.distilled(None, tiny.teacher(teacher), losses))
    assert model.distill_losses['feat'].teacher_channels == 512
    assert asked == [False]


def test_declared_sizes_build_no_teacher(monkeypatch):
    declared = {'student_channels': 8, 'teacher_channels': 16}
    losses = features('MGDLoss', **declared)
    missing = tiny.teacher('no/such/config.py', checkpoint='no/such.pth')
    model = tiny.build(tiny.distilled(None, missing, losses))
    assert list(model.distill_losses['feat'].parameters())
    monkeypatch.setattr(ImageClassifier, 'forward', None)
    tiny.build(tiny.distilled(losses=losses))


def test_a_missing_teacher_config_stops_training_not_testing():
    missing = tiny.teacher('no/such/config.py', checkpoint='no/such.pth')
    model = tiny.build(tiny.distilled(None, missing, CNN_LOSSES['MGD']))
    images, samples = tiny.batch()
    model.eval()(images, samples, mode='predict')
    with pytest.raises(FileNotFoundError, match='no/such/config.py'):
        model.init_weights()


def test_blank_images_have_the_size_and_channels_of_the_student():
    assert blank_image(tiny.build(tiny.vit())).shape == (1, 3, 8, 8)
    assert blank_image(tiny.build(tiny.resnet())).shape == (1, 3, 224, 224)
    gray = tiny.resnet()
    gray['backbone']['in_channels'] = 1
    assert blank_image(tiny.build(gray)).shape == (1, 1, 224, 224)
    assert blank_image(nn.Linear(2, 2)).shape == (1, 3, 224, 224)


def test_a_student_of_one_size_says_what_to_declare():
    lenet = {
        'type': 'ImageClassifier',
        'backbone': {'type': 'LeNet5', 'num_classes': 10},
        'head': {'type': 'ClsHead', 'loss': {'type': 'CrossEntropyLoss'}},
    }
    losses = {
        'uskd': {
            'type': 'USKDLoss',
            'student_taps': ['logits', 'backbone.features.3'],
        }
    }
    with pytest.raises(ValueError, match=r'shape \(1, 1, 224, 224\).*Declare'):
        tiny.build(
            {
                **lenet,
                'type': 'DistilledClassifier',
                'distill_losses': losses,
            }
        )


def test_wrong_declarations_name_the_right_ones():
    for name, wrong, right in (
        ('student_channels', 9, 8),
        ('teacher_channels', 9, 16),
    ):
        for type_ in ('MGDLoss', 'SRRLLoss'):
            channels = {'student_channels': 8, 'teacher_channels': 16}
            losses = features(type_, **{**channels, name: wrong})
            model = tiny.build(tiny.distilled(losses=losses))
            with pytest.raises(
                ValueError, match=f'`{name}` to be {right}.*got 9'
            ):
                model.loss(*tiny.batch())
    for name, wrong, right in (('in_channels', 9, 4), ('num_classes', 9, 10)):
        sizes = {'in_channels': 4, 'num_classes': 10, name: wrong}
        losses = {'feat': {**CNN_LOSSES['USKD']['feat'], **sizes}}
        model = tiny.build(tiny.distilled(losses=losses))
        with pytest.raises(ValueError, match=f'`{name}` to be {right}.*got 9'):
            model.loss(*tiny.batch())


def test_grids_of_different_size_are_an_error():
    losses = features('MGDLoss', student_taps='backbone.layer1')
    model = tiny.build(tiny.distilled(losses=losses))
    with pytest.raises(ValueError, match='got 8x8 and 4x4.*one stride'):
        model.loss(*tiny.batch())


def test_a_teacher_without_a_linear_head_is_an_error():
    losses = features('SRRLLoss', teacher_head='head.classifier')
    options = {'student_channels': 8, 'teacher_channels': 16}
    losses['feat'].update(options)
    model = tiny.build(tiny.distilled(losses=losses))
    with pytest.raises(ValueError, match=r'head.classifier.*head.fc'):
        model.init_weights()


def test_the_weak_head_of_swin_normalises_its_feature():
    loss = USKDLoss(
        student_taps=WEAK, in_channels=3, num_classes=10, norm=True
    )
    tokens, logits = draw(2, 8, 3).float(), draw(2, 10).float()
    given = (logits, (tokens, (2, 4)))  # as a stage of Swin
    actual = loss(given, None, torch.tensor([1, 2]))['weak']
    feature = nn.functional.layer_norm(tokens, (3,)).mean(dim=1)
    expected = 0.005 * nn.functional.cross_entropy(
        loss.weak_head(feature), torch.tensor([1, 2]), label_smoothing=0.1
    )
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: MGDLoss(**TAPS, mask_ratio=1), 'mask_ratio.*got 1'),
        (lambda: MGDLoss(**TAPS, alpha=-1), 'alpha.*got -1'),
        (lambda: MGDLoss(**TAPS, student_channels=0), 'student_channels.*0'),
        (
            lambda: MGDLoss(**TAPS, teacher_channels=2.0),
            'teacher_channels.*2.0',
        ),
        (lambda: SRRLLoss(**TAPS, beta=-1), 'beta.*got -1'),
        (lambda: USKDLoss(student_taps='logits'), "USKD.*got 'logits'"),
        (lambda: USKDLoss(student_taps=WEAK, in_channels=-3), 'in_channels'),
        (lambda: USKDLoss(student_taps=WEAK, mu=-3), 'mu.*got -3'),
        (lambda: ViTKDLoss(**TAPS), 'lists of one length'),
        (
            lambda: ViTKDLoss(student_taps=LAYERS, teacher_taps=LAYERS[:2]),
            'lists of one length',
        ),
        (
            lambda: ViTKDLoss(
                student_taps=LAYERS, teacher_taps=LAYERS, mask_ratio=0
            ),
            'mask_ratio` to be positive.*got 0',
        ),
    ],
)
def test_bad_settings_are_refused_before_training(make, message):
    with pytest.raises(ValueError, match=message):
        make()
