"""A config to examine, of which one step is timed."""

import examined
import pytest

from mmnkd.diagnosis import cost


@pytest.fixture
def one_step(monkeypatch):
    """Time one step only."""
    monkeypatch.setattr(cost, 'MOST_STEPS', 1)


@pytest.fixture(scope='session')
def config(tmp_path_factory):
    return examined.write_config(tmp_path_factory.mktemp('examined'))
