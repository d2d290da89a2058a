"""Taps: what sub-modules put out, for the length of one forward."""

import pytest
import tiny
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmnkd.taps import TapError, check_taps, pick, recorded, tap_names


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def recorded_by_name(model, *names):
    return recorded(model, {name: name for name in names})


def test_outputs_are_recorded_by_tap(model):
    images = torch.randn(5, 3)
    with recorded(model, {'logits': '2', '0': '0'}) as outputs:
        result = model(images)
    assert outputs['logits'] is result
    assert torch.equal(outputs['0'], model[0](images))


def test_two_taps_may_name_one_sub_module(model):
    with recorded(model, {'logits': '2', '2': '2'}) as outputs:
        result = model(torch.randn(5, 3))
    assert outputs['logits'] is outputs['2'] is result


def test_parameters_are_recorded_by_their_value(model):
    names = ['2.weight', '0']
    check_taps(model, names, 'student')
    with recorded_by_name(model, *names) as outputs:
        model(torch.randn(5, 3))
    assert outputs['2.weight'] is model[2].weight
    assert outputs['0'].shape == (5, 4)


def test_no_hook_is_left_behind(model):
    with pytest.raises(ZeroDivisionError), recorded_by_name(model, '0'):
        raise ZeroDivisionError
    with recorded_by_name(model, '0'):
        model(torch.randn(5, 3))
    with (
        pytest.raises(AttributeError, match='no attribute'),
        recorded_by_name(model, '0', 'none'),
    ):
        pass
    assert not any(m._forward_hooks for m in model.modules())


class Nested(nn.Module):
    def forward(self, x):
        return {'all': [(x * 2, 7)]}


class First(nn.Module):
    def forward(self, output):
        return output['all'][0][0].relu_()


RELU = nn.ReLU()


@pytest.mark.parametrize(
    ('model', 'tap', 'message'),
    [
        (nn.Linear(3, 3), 'unused', "tap 'unused' once, but it did 0 times"),
        (nn.Sequential(RELU, RELU), '0', "tap '0' once, but it did 2 times"),
        (
            nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True)),
            '0',
            "tap '0' to last.*in place",
        ),
        (nn.Sequential(Nested(), First()), '0', "tap '0' to last.*in place"),
    ],
    ids=['never', 'twice', 'overwritten', 'overwritten inside a dict'],
)
def test_an_output_that_is_not_there_once_and_to_stay_is_an_error(
    model, tap, message
):
    if tap == 'unused':
        model.unused = nn.ReLU()
    with (
        pytest.raises(TapError, match=message),
        recorded_by_name(model, tap),
    ):
        model(torch.randn(5, 3))


def test_the_layer_that_writes_in_place_can_be_named():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    with recorded_by_name(model, '1') as outputs:
        model(torch.randn(5, 3))
    assert outputs['1'].min() == 0


def test_tensors_of_inference_mode_are_recorded(model):
    with torch.inference_mode(), recorded_by_name(model, '0') as outputs:
        model(torch.randn(5, 3))
    assert outputs['0'].is_inference()


def test_a_tap_does_not_break_a_compiled_graph(model):
    whole = not tiny.OLD_TORCH  # torch 2.1 breaks the graph at any hook
    compiled = torch.compile(model, backend='eager', fullgraph=whole)
    with recorded_by_name(model, '0') as outputs:
        compiled(torch.randn(5, 3))
    assert outputs['0'].shape == (5, 4)


def test_a_tap_without_a_gradient_is_an_error():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    images = torch.randn(5, 3, requires_grad=True)
    with (
        pytest.raises(TapError, match=r"tap '0'.*activation checkpoint"),
        recorded_by_name(model, '0'),
    ):
        checkpoint(model, images, use_reentrant=True)
    with torch.no_grad(), recorded_by_name(model, '0') as outputs:  # a teacher
        model(images)
    assert '0' in outputs


def test_a_tap_that_does_not_exist_lists_the_nearest():
    model = nn.ModuleDict({'backbone': nn.ModuleDict({'layer4': nn.ReLU()})})
    with pytest.raises(
        ValueError, match=r"'backbone.layer5'.*backbone.layer4"
    ):
        check_taps(model, ['backbone.layer5'], 'student')
    with pytest.raises(ValueError, match=r"got ''.*\['backbone'\]"):
        check_taps(model, [''], 'student')


def test_one_name_picks_an_output_several_a_tuple_and_none_nothing():
    outputs = {'logits': 1, 'neck': 2}
    for taps, names, picked in (
        ('neck', ('neck',), 2),
        (['neck', 'logits'], ('neck', 'logits'), (2, 1)),
        (['neck'], ('neck',), (2,)),
        (None, (), None),
        ('', ('',), None),
    ):
        assert tap_names(taps) == names
        assert pick(taps, outputs) == picked
    with pytest.raises(TypeError, match=r'a list of names or None.*\[1\]'):
        tap_names([1])
    with pytest.raises(TypeError, match='a list of names or None.*got 3'):
        tap_names(3)
