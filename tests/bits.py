"""Compare trainings bit by bit."""

import tiny
import torch

PARTS = (
    'state_dict',
    'ema_state_dict',
    'optimizer',
    'param_schedulers',
    'generators',
)


def assert_same_training(path, other):
    """Compare all that decides how a training goes on."""
    a, b = tiny.saved(path), tiny.saved(other)
    for part in PARTS:
        assert_equal(a[part], b[part])


def assert_equal(a, b):
    """Compare nested tensors and plain values exactly."""
    if torch.is_tensor(a):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for pair in zip(a, b):
            assert_equal(*pair)
    else:
        assert a == b
