"""What the tests share: where things are, and one thread."""

import os
import sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))  # import reference, tiny

import pytest

from mmnkd.functional import plain_forms


@pytest.fixture(params=['fused', 'plain'])
def each_form(request):
    """Run a test of the losses twice: fast, and in the plain form."""
    if request.param == 'fused':
        yield
    else:
        with plain_forms():
            yield
