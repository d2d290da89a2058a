"""Bad input of the losses, and what importing them needs."""

import math
import subprocess
import sys

import pytest
import torch
from draws import CLOSED, EVERY, each

from mmnkd.functional import nkd_loss

S = torch.zeros(4, 3)
Y = torch.tensor([0, 1, 2, 0])
nan = float('nan')


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ((S, torch.zeros(4, 5), Y), ValueError, r'got \(4, 3\) and \(4, 5\)'),
        ((S[0], S[0], Y[:1]), ValueError, r'shape \(N, C\).*got \(3,\)'),
        ((S[:0], S[:0], Y[:0]), ValueError, r'at least one.*got \(0, 3\)'),
        ((S[:, :1], S[:, :1], Y), ValueError, r'two classes.*got \(4, 1\)'),
        ((S.long(), S, Y), TypeError, 'floating dtype, but got torch.int64'),
        ((S, S.tolist(), Y), TypeError, 'logits_teacher.*but got list'),
        ((S.to_sparse(), S, Y), TypeError, 'dense.*torch.sparse_coo'),
        ((S, S, Y.to_sparse()), TypeError, 'target.*torch.sparse_coo'),
        ((S, S, [0, 1, 2, 0]), TypeError, 'target.*tensor, but got list'),
        ((S, S, Y[:3]), ValueError, r'target.*\(4,\).*\(4, 3\).*got \(3,\)'),
        ((S, S, S[:, :2]), ValueError, r'target.*got \(4, 2\)'),
        ((S, S, S.unsqueeze(0)), ValueError, r'target.*got \(1, 4, 3\)'),
        ((S, S, Y.float()), TypeError, r'\(4,\) of torch.float32'),
        ((S, S, Y.bool()), TypeError, r'\(4,\) of torch.bool'),
        ((S, S, S.bool()), TypeError, r'\(4, 3\) of torch.bool'),
        ((S, S, Y + 1), ValueError, r'\[0, 2\].*values from 1 to 3'),
        ((S, S, Y - 1), ValueError, r'\[0, 2\].*values from -1 to 1'),
        ((S, S, S - 0.1), ValueError, 'scores >= 0.*from -0.1'),
        ((S, S, S + nan), ValueError, 'finite scores.*nan'),
        ((S, S, S), ValueError, 'sum to 1.*sums from 0.0 to 0.0'),
        ((S, S, S.long()), ValueError, 'sum to 1.*sums from 0.0 to 0.0'),
        ((S, S, S + 1), ValueError, 'several whole ones'),
    ],
)
def test_bad_tensors_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        nkd_loss(*arguments)


@pytest.mark.skipif(
    not hasattr(torch, 'uint16'), reason='torch < 2.3 has no uint16'
)
def test_labels_that_torch_can_not_index_with_are_refused():
    for target in (Y.to(torch.uint16), S.to(torch.uint16)):
        with pytest.raises(TypeError, match='of torch.uint16'):
            nkd_loss(S, S, target)


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ({'temperature': 0}, 'temperature` to be positive.*got 0'),
        ({'temperature': -1.0}, 'temperature` to be positive.*got -1'),
        ({'temperature': nan}, 'temperature` to be positive.*got nan'),
        ({'temperature': math.inf}, 'temperature.*finite.*got inf'),
        ({'gamma': -0.5}, 'gamma` to be.*at least 0.*got -0.5'),
        ({'gamma': nan}, 'gamma` to be.*got nan'),
        ({'gamma': math.inf}, 'gamma.*got inf'),
        ({'reduction': 'max'}, "'none', 'mean' or 'sum', but got 'max'"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        nkd_loss(S, S, Y, **setting)


OTHERS = {name: loss for name, loss in EVERY.items() if name not in CLOSED}


@each(OTHERS)
def test_every_loss_refuses_bad_tensors(loss):
    with pytest.raises(TypeError, match='floating dtype, but got torch.int64'):
        loss(S.long(), S, Y)
    with pytest.raises(ValueError, match="but got 'max'"):
        loss(S, S, Y, reduction='max')
    with pytest.raises(ValueError, match='at least one sample'):
        loss(S[:0], S[:0], Y[:0])
    if 1 in loss.takes:
        with pytest.raises(ValueError, match=r'got \(4, 3\) and \(4, 5\)'):
            loss(S, torch.zeros(4, 5), Y)
    if 2 in loss.takes:
        with pytest.raises(ValueError, match=r'\[0, 2\].*from 1 to 3'):
            loss(S, S, Y + 1)


POSITIVE = ('temperature', 'alpha_temperature', 'regularization')


@each(OTHERS)
def test_every_loss_refuses_bad_numbers(loss):
    for key in {*loss.settings} - {'iterations'}:
        value = 0 if key in POSITIVE else -1
        bad = loss._replace(settings={**loss.settings, key: value})
        with pytest.raises(ValueError, match=f'`{key}` to be.*got {value}'):
            bad(S, S, Y)
        bad = loss._replace(settings={**loss.settings, key: '1'})
        with pytest.raises(TypeError, match=f"`{key}` to be a number.*'1'"):
            bad(S, S, Y)


def test_functional_needs_torch_and_nothing_of_openmmlab():
    code = (
        'import sys; sys.modules["mmpretrain"] = None; '
        'from mmnkd.functional import nkd_loss; '
        'found = {name.split(".")[0] for name in sys.modules}; '
        'assert "torch" in found; '
        'assert not found & {"mmengine", "mmcv"}, found'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
