"""Each mistake of the table is told, and none trains in silence."""

import bad_configs
import pytest
import tiny
from mistake import Mistake

NUMBERED = sorted(enumerate(bad_configs.MISTAKES))
CASES = [
    pytest.param(
        *pair,
        marks=[tiny.needs_safe_globals] * ('--resume' in pair[1].options),
    )
    for pair in NUMBERED
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mistakes')
    bad_configs.prepare(folder)
    return folder


def test_without_a_mistake_nothing_is_found(folder):
    kind, text = bad_configs.train(folder, 'good', Mistake(*[''] * 5))
    assert kind in ('warning', 'nothing'), text
    assert '- WARNING - [' not in text


@pytest.mark.parametrize(
    ('number', 'mistake'), CASES, ids=lambda value: str(value)[:9]
)
def test_a_mistake_is_told(number, mistake, folder):
    kind, text = bad_configs.train(folder, number, mistake)
    assert kind == mistake.kind, text
    assert mistake.message in text


def test_there_are_many_mistakes_and_no_two_are_the_same():
    wrote = {(mistake.wrote, mistake.options) for _, mistake in NUMBERED}
    assert len(wrote) == len(NUMBERED) >= 120


def test_the_page_of_faults_is_the_table():
    assert bad_configs.PAGE.read_text() == bad_configs.page()
