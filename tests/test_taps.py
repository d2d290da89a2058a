"""Taps: what sub-modules put out, for the length of one forward."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmnkd.taps import Taps, check_taps, recorded


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_outputs_are_recorded_by_name(model):
    images = torch.randn(5, 3)
    with recorded(model, ['0', '2']) as outputs:
        result = model(images)
    assert outputs['2'] is result
    assert torch.equal(outputs['0'], model[0](images))


def test_parameters_are_recorded_by_their_value(model):
    names = ['2.weight', '0']
    check_taps(model, names, 'student')
    with recorded(model, names) as outputs:
        model(torch.randn(5, 3))
    assert outputs['2.weight'] is model[2].weight
    assert outputs['0'].shape == (5, 4)


def test_no_hook_is_left_behind(model):
    with pytest.raises(ZeroDivisionError), recorded(model, ['0']):
        raise ZeroDivisionError
    with recorded(model, ['0']):
        model(torch.randn(5, 3))
    assert not any(m._forward_hooks for m in model.modules())


def test_a_tap_that_is_never_reached_is_an_error(model):
    with (
        pytest.raises(RuntimeError, match=r"tap '2' once, but it did 0 times"),
        recorded(model, ['2']),
    ):
        model[0](torch.randn(5, 3))


def test_a_tap_that_is_reached_twice_is_an_error():
    relu = nn.ReLU()
    model = nn.Sequential(relu, nn.Linear(3, 3), relu)
    with (
        pytest.raises(RuntimeError, match=r"tap '0' once, but it did 2 times"),
        recorded(model, ['0']),
    ):
        model(torch.randn(5, 3))


def test_an_output_that_is_overwritten_in_place_is_an_error():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    with (
        pytest.raises(RuntimeError, match=r"tap '0' to last.*in place"),
        recorded(model, ['0']),
    ):
        model(torch.randn(5, 3))
    with recorded(model, ['1']) as outputs:
        model(torch.randn(5, 3))
    assert outputs['1'].min() == 0


class Tuple(nn.Module):
    def forward(self, x):
        return {'all': [(x * 2, 7)]}


class First(nn.Module):
    def forward(self, output):
        return output['all'][0][0].relu_()


def test_a_tensor_inside_an_output_is_watched_too():
    model = nn.Sequential(Tuple(), First())
    with (
        pytest.raises(RuntimeError, match=r"tap '0' to last.*in place"),
        recorded(model, ['0']),
    ):
        model(torch.randn(5, 3))


def test_a_tap_without_a_gradient_is_an_error():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    images = torch.randn(5, 3, requires_grad=True)
    with (
        pytest.raises(RuntimeError, match=r"tap '0'.*activation checkpoint"),
        recorded(model, ['0']),
    ):
        checkpoint(model, images, use_reentrant=True)
    with torch.no_grad(), recorded(model, ['0']) as outputs:  # a teacher
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


def test_pick_gives_one_output_or_a_tuple_or_none():
    outputs = {'logits': 1, 'neck': 2}
    assert Taps('neck').pick(outputs) == 2
    assert Taps(['neck', 'logits']).pick(outputs) == (2, 1)
    assert Taps(['neck']).pick(outputs) == (2,)
    assert Taps(None).pick(outputs) is None
    assert Taps(None).names == ()
