"""What taps put out, as maps, tokens and vectors."""

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from mmnkd.losses.features import (
    as_map,
    as_vector,
    channels_of,
    check_declared,
    check_same_grid,
    patches,
    squared_error,
)

MAP = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
TOKENS = MAP.flatten(2).transpose(1, 2)  # (2, 16, 3)
CLASS_TOKEN = torch.full((2, 1, 3), -1.0)


@pytest.mark.parametrize(
    'output',
    [
        MAP,
        (MAP[:, :, :2], MAP),  # a backbone's stages, the deepest last
        [MAP],
        TOKENS,
        torch.cat([CLASS_TOKEN, TOKENS], dim=1),
        torch.cat([CLASS_TOKEN, CLASS_TOKEN, TOKENS], dim=1),
        (TOKENS, (4, 4)),  # a stage of Swin
        (TOKENS[:, :4], TOKENS),
        BaseModelOutput(last_hidden_state=TOKENS),
    ],
)
def test_every_form_of_features_is_a_map(output):
    assert torch.equal(as_map(output), MAP)
    assert channels_of(output) == 3


def test_maps_with_channels_last_are_turned():
    last = MAP.permute(0, 2, 3, 1)
    assert torch.equal(as_map(last), MAP)
    assert channels_of(last) == 3


def test_known_channels_tell_where_they_are_in_maps_that_are_not_square():
    wide = torch.randn(2, 5, 2, 4)
    last = wide.permute(0, 2, 3, 1)
    assert as_map(wide, 5) is wide
    assert torch.equal(as_map(last, 5), wide)
    torch.testing.assert_close(as_vector(last, 5), wide.mean(dim=(2, 3)))
    square = torch.randn(2, 4, 4, 4)  # both would do
    assert as_map(square, 4) is square


def test_tokens_of_a_grid_that_is_not_square_need_its_shape():
    wide = MAP[:, :, :2]  # 2x4
    tokens = wide.flatten(2).transpose(1, 2)
    for shape in ((2, 4), torch.Size([2, 4])):  # beside them, as in Swin
        assert torch.equal(as_map((tokens, shape)), wide)
    assert torch.equal(as_vector((tokens, (2, 4))), tokens.mean(dim=1))
    for get in (as_map, as_vector):
        with pytest.raises(ValueError, match='square grid.*got 8 tokens.*map'):
            get(tokens)


def test_a_vector_is_the_class_token_or_the_mean():
    mean = MAP.mean(dim=(2, 3))
    assert torch.equal(as_vector(MAP), mean)
    torch.testing.assert_close(as_vector(TOKENS), mean)
    torch.testing.assert_close(as_vector((TOKENS, (4, 4))), mean)
    with_class = torch.cat([CLASS_TOKEN, TOKENS], dim=1)
    assert torch.equal(as_vector(with_class), CLASS_TOKEN[:, 0])
    assert torch.equal(as_vector((mean,)), mean)


def test_patches_are_the_tokens_of_a_map():
    assert torch.equal(patches(MAP), TOKENS)


def test_squared_errors_are_summed_a_sample_in_float32():
    big = torch.full((2, 3), 300.0, dtype=torch.float16)
    assert squared_error(big, -big).tolist() == [3 * 360000.0] * 2
    assert squared_error(big.double(), big).dtype == torch.float64


@pytest.mark.parametrize(
    ('output', 'error', 'message'),
    [
        ('text', TypeError, 'put out str without a tensor'),
        (((4, 4),), TypeError, 'put out tuple without'),
        (torch.zeros(3), ValueError, r'\(N, C\), but got \(3,\)'),
        (torch.zeros(2, 3), ValueError, r'height and width.*before the pool'),
        (torch.zeros(2, 13, 3), ValueError, 'square grid.*13 tokens'),
    ],
)
def test_what_is_no_map_is_refused(output, error, message):
    with pytest.raises(error, match=message):
        as_map(output)


def test_grids_of_different_size_are_refused():
    with pytest.raises(ValueError, match=r'got 4x4 and 2x4.*input_size'):
        check_same_grid(MAP, MAP[:, :, :2])


def test_a_wrong_declaration_names_the_right_one():
    with pytest.raises(ValueError, match='`width` to be 3.*but got 5'):
        check_declared('width', 5, MAP)
