"""One line of advice for errors of the stack that don't say what to do."""

from __future__ import annotations

import re
import traceback

__all__ = ['advise']

_CLASSES = (
    'Set `data_preprocessor.num_classes` and `model.head.num_classes` to the '
    'count of classes in the data set, whose labels count from 0.'
)
_FOLDER = (
    'Look at `data_root`, `data_prefix` and `ann_file` of the data set; '
    'relative paths start at the current folder.'
)

# What an error's type and text begin or go on with, and what to do.
_ADVICE = {
    r'^IndexError: Target -?\d+ is out of bounds': _CLASSES,
    r'^RuntimeError: Class values must be smaller': _CLASSES,
    r'^RuntimeError: 0D or 1D target tensor expected': _CLASSES,
    r'device-side assert triggered': (
        f'A label may be beyond the classes. {_CLASSES}'
    ),
    r'^RuntimeError: Found 0 files': _FOLDER,
    r'^RuntimeError: Cannot find \w+ dataset': _FOLDER,
    r"^KeyError: '?inputs'?$": (
        "The data set's pipeline must end in dict(type='PackInputs')."
    ),
    r"^KeyError: '?img_path'?$": (
        'This data set has no files to load: leave LoadImageFromFile out of '
        'its pipeline.'
    ),
    r"^KeyError: '?img'?$": (
        "The data set's pipeline must begin with "
        "dict(type='LoadImageFromFile')."
    ),
    r'^KeyError: .* is not in the .* registry': (
        'Correct the `type`, or name the module that registers it in '
        "custom_imports=dict(imports=['mmnkd', ...])."
    ),
    r'mat1 and mat2 shapes cannot be multiplied': (
        'A layer gets another number of channels than it declares: look at '
        '`model.head.in_channels`, and at `model.neck`, which for a CNN is '
        "dict(type='GlobalAveragePooling')."
    ),
    r'size of tensor a \(\d+\) must match the size of tensor b \(\d+\) at '
    r'non-singleton dimension 0': (
        'Give `mean` and `std` of `data_preprocessor` as many numbers as '
        'images have channels, or one.'
    ),
    r"forward\(\) got an unexpected keyword argument 'avg_factor'": (
        'A loss of distillation was put into `head.loss`. Put it into '
        '`distill_losses`.'
    ),
    r'^RuntimeError: Unknown model \(': (
        'timm has no network of this name: timm.list_models() has them all.'
    ),
    r'^TypeError: None is not a callable object': (
        'A `type` is not registered, that of the optimizer most likely. '
        'torch.optim has the names.'
    ),
    r'each item mush be an optimizer object': (
        "Write optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1))."
    ),
    r"^TypeError: '<=?' not supported between instances of 'str'": (
        'A number of the config is a string: write it without quotes.'
    ),
    r'^AssertionError: $': (
        'An argument has a value that it can not have: the last lines of the '
        'traceback name it.'
    ),
    r'^ModuleNotFoundError|^ImportError: Failed to import': (
        'Look at `custom_imports`, and at PYTHONPATH.'
    ),
}


def advise(error: BaseException) -> str:
    """Return what to do about an error, '' if that isn't known."""
    if isinstance(error, FileNotFoundError):
        return _FOLDER if _is_of_data(error) else ''
    text = error.args[0] if isinstance(error, KeyError) else error
    told = f'{type(error).__name__}: {text}'
    found = (advice for k, advice in _ADVICE.items() if re.search(k, told))
    return next(found, '')


def _is_of_data(error: BaseException) -> bool:
    """Tell whether an error comes from reading a data set or an image."""
    frames = traceback.walk_tb(error.__traceback__)
    names = [frame.f_globals.get('__name__', '') for frame, _ in frames]
    return any(
        name.startswith(('mmpretrain.datasets', 'mmcv.transforms'))
        for name in names
    )
