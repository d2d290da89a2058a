"""Advice for errors of the stack, and none for others."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmcv.transforms import LoadImageFromFile

from mmnkd.cli.advice import advise

LOAD = LoadImageFromFile()


@pytest.mark.parametrize(
    ('call', 'part'),
    [
        (
            lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 5])),
            '`model.head.num_classes`',
        ),
        (
            lambda: F.one_hot(torch.tensor([0, 5]), 3),
            '`data_preprocessor.num_classes`',
        ),
        (lambda: torch.nn.Linear(2, 3)(torch.zeros(1, 5)), 'in_channels'),
        (lambda: LOAD({'img_path': 'no/such.png'}), 'Look at `data_root`'),
        (lambda: {}['inputs'], 'must end in'),
        (lambda: {}['img'], 'must begin with'),
    ],
)
def test_errors_of_torch_and_python_are_known(call, part):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        call()
    assert part in advise(raised.value)


def test_errors_that_are_not_known_get_no_advice():
    with pytest.raises(FileNotFoundError) as raised:
        Path('no/such/file').read_text()
    assert advise(raised.value) == ''  # a config's, a checkpoint's ...
    assert advise(ValueError('Expected a, but got b. Do c.')) == ''
    assert advise(AssertionError('with a reason')) == ''
    assert 'traceback' in advise(AssertionError())
