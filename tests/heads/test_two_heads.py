"""Students with two heads: each is taught by its own, and both are used."""

import copy

import pytest
import tiny
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper

VIT = tiny.vit()
DEIT = {
    **VIT,
    'backbone': {**VIT['backbone'], 'type': 'DistilledVisionTransformer'},
    'head': {**VIT['head'], 'type': 'DeiTClsHead'},
}
LEVIT = {
    'type': 'ImageClassifier',
    'backbone': {
        'type': 'LeViT',
        'arch': '128s',  # mmpretrain takes no dict here
        'img_size': 64,
        'patch_size': 16,
        'drop_path_rate': 0,
        'out_indices': (2,),
    },
    'neck': {'type': 'GlobalAveragePooling'},
    'head': {'type': 'LeViTClsHead', 'num_classes': 10, 'in_channels': 384},
}
EFFICIENTFORMER = {
    'type': 'ImageClassifier',
    'backbone': {
        'type': 'EfficientFormer',
        'arch': {
            'layers': [1, 1, 1, 1],
            'embed_dims': [8, 8, 8, 16],
            'downsamples': [False, True, True, True],
            'vit_num': 1,
        },
        'drop_path_rate': 0.0,
    },
    'neck': {'type': 'GlobalAveragePooling', 'dim': 1},
    'head': {
        'type': 'EfficientFormerClsHead',
        'num_classes': 10,
        'in_channels': 16,
    },
}
STUDENTS = {  # plain config, type of the head, tap, image size
    'deit': (DEIT, 'TwoHeadedDeiTHead', 'head.layers.head_dist', 8),
    'levit': (LEVIT, 'TwoHeadedLeViTHead', 'head.head_dist', 64),
    'efficientformer': (
        EFFICIENTFORMER,
        'TwoHeadedEfficientFormerHead',
        'head.dist_head',
        224,
    ),
}
EACH = pytest.mark.parametrize('name', STUDENTS)


def student(name, **head):
    """Return a student's config with the head that trains both."""
    plain, kind, _, _ = STUDENTS[name]
    return {**plain, 'head': {**plain['head'], 'type': kind, **head}}


def hard(tap):
    return {'hard': {'type': 'HardLabelLoss', 'student_taps': tap}}


def model_of(name):
    config = tiny.distilled(student(name), losses=hard(STUDENTS[name][2]))
    model = tiny.build(config)
    model.init_weights()
    for parameter in model.head.parameters():  # DeiT's start at 0
        torch.nn.init.normal_(parameter)
    return model


def watch(model, name):
    """Return what both heads put out in the next forward, as it will be."""
    outputs = {}
    second = STUDENTS[name][2]
    first = second.replace('head_dist', 'head').replace('dist_head', 'head')
    for key, tap in (('first', first), ('second', second)):
        model.get_submodule(tap).register_forward_hook(
            lambda _, args, output, key=key: outputs.update({key: output})
        )
    return outputs


@EACH
def test_the_own_loss_is_the_class_heads_and_the_teachers_the_seconds(name):
    model = model_of(name)
    images, samples = tiny.batch(size=STUDENTS[name][3])
    outputs = watch(model, name)
    logged = model.loss(images, samples)
    target = torch.cat([sample.gt_label for sample in samples])
    own = F.cross_entropy(outputs['first'], target)
    torch.testing.assert_close(logged['loss_cls'], own)
    top = model.teacher(images)['logits'].argmax(dim=1)
    taught = F.cross_entropy(outputs['second'], top)
    torch.testing.assert_close(logged['loss_hard'], taught)


@EACH
def test_a_test_averages_both_heads_as_mmpretrain_does(name):
    model = model_of(name).eval()
    plain = tiny.build(STUDENTS[name][0]).eval()
    assert list(plain.state_dict()) == list(model.state_dict())
    plain.load_state_dict(model.state_dict(), strict=True)
    images, _ = tiny.batch(size=STUDENTS[name][3])
    outputs = watch(model, name)
    result = model(images)
    assert torch.equal(result, plain(images))
    average = (outputs['first'] + outputs['second']) / 2
    torch.testing.assert_close(result, average)


@EACH
def test_a_few_steps_train_both_heads(name):
    model = model_of(name).train()
    images, samples = tiny.batch(size=STUDENTS[name][3])
    data = {'inputs': list(images), 'data_samples': samples}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = copy.deepcopy(model.state_dict())
    reached = set()  # as DDP wants all of them to be
    for key, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _, key=key: reached.add(key)
        )
    for _ in range(3):
        logged = model.train_step(data, OptimWrapper(optimizer))
        assert all(torch.isfinite(value).all() for value in logged.values())
    assert reached == {key for key, _ in model.named_parameters()}
    after = model.state_dict()
    for key in (k for k in after if k.startswith('head.') and 'weight' in k):
        assert not torch.equal(before[key], after[key]), key


@tiny.needs_safe_globals
def test_a_runner_saves_a_plain_checkpoint_of_a_two_headed_student(tmp_path):
    config = tiny.distilled(student('deit'), losses=hard(STUDENTS['deit'][2]))
    run = tiny.train(config, tmp_path)
    weights = tiny.saved(tmp_path / 'epoch_1.pth')['state_dict']
    tiny.build(DEIT).load_state_dict(weights, strict=True)
    assert list(weights) == list(tiny.build(DEIT).state_dict())
    assert run.model.head.second_head == 'layers.head_dist'


@EACH
def test_a_second_head_that_no_loss_reads_is_refused(name):
    tap = STUDENTS[name][2]
    with pytest.raises(ValueError, match=rf"second head.*'logits'.*'{tap}'"):
        tiny.build(tiny.distilled(student(name)))
    assert tiny.build(
        tiny.distilled(student(name), losses=tiny.nkd(loss_weight=0))
    )


@pytest.mark.parametrize('name', ['levit', 'efficientformer'])
def test_a_head_with_one_output_is_refused(name):
    plain = STUDENTS[name][0]['head']['type']
    with pytest.raises(ValueError, match=f'distillation=True.*take {plain}'):
        tiny.build(student(name, distillation=False))


def test_a_backbone_with_one_token_is_refused():
    config = {**student('deit'), 'backbone': VIT['backbone']}
    model = tiny.build(config)
    with pytest.raises(ValueError, match='distillation token.*got Tensor'):
        model.loss(*tiny.batch())


@EACH
def test_a_tap_of_another_students_head_is_refused(name):
    tap = 'head.head_dist' if name != 'levit' else 'head.dist_head'
    with pytest.raises(ValueError, match=f"got '{tap}'. Nearest"):
        tiny.build(tiny.distilled(student(name), losses=hard(tap)))


def test_a_tap_of_a_plain_head_is_refused():
    with pytest.raises(ValueError, match=r"got 'head\.layers\.head_dist'"):
        tiny.build(tiny.distilled(VIT, losses=hard('head.layers.head_dist')))
