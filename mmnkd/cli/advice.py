"""One line of advice for errors of the stack that don't say what to do."""

from __future__ import annotations

import re

__all__ = ['advise']

_ADVICE = {
    r'IndexError: Target -?\d+ is out of bounds': (
        "A label is not among the classes of the student's head: look at "
        '`model.head.num_classes` and at the labels of the data set.'
    ),
}


def advise(error: Exception) -> str:
    """Return what to do about an error, '' if that isn't known."""
    text = f'{type(error).__name__}: {error}'
    found = (advice for k, advice in _ADVICE.items() if re.search(k, text))
    return next(found, '')
