"""Findings: their names, and what becomes of them."""

import re
from dataclasses import replace

import pytest
from command import ROOT

from mmnkd.diagnosis import Finding
from mmnkd.diagnosis.finding import NAMES, check_names, settle
from mmnkd.diagnosis.report import Report

ERROR = Finding('class-order', 'error', 'Expected a, but got b.', 'Do c.')
WARNING = Finding('teacher-flat', 'warning', 'Expected d.', 'Do e.')


def test_errors_are_raised_together_and_warnings_logged(log_text):
    with pytest.raises(ValueError, match='class-order') as raised:
        settle([ERROR, WARNING, ERROR])
    text = '[class-order] Expected a, but got b. Do c.'
    assert str(raised.value) == f'{text} {text}'
    assert 'WARNING - [teacher-flat] Expected d. Do e.' in log_text()


def test_ignored_findings_say_nothing(log_text):
    settle([ERROR, WARNING], ['class-order', 'teacher-flat'])
    assert log_text() == ''


def test_a_warning_does_not_stand_for_a_later_error_of_its_name():
    report = Report('config.py')
    warned = replace(ERROR, level='warning')
    report.add([warned])
    report.add([ERROR])
    assert report.exit_code == 2
    report.add([warned, ERROR])
    assert report.findings == [warned, ERROR]


def test_names_are_checked():
    check_names(['class-order'])
    with pytest.raises(ValueError, match="'class-ordre'. Nearest: .'class-o"):
        check_names(['class-ordre'])
    with pytest.raises(TypeError, match="list of names.*got 'class-order'"):
        check_names('class-order')


def test_all_names_are_listed():
    sources = (ROOT / 'mmnkd/diagnosis').glob('*.py')
    text = ''.join(path.read_text() for path in sources)
    used = re.findall(r"(?:Finding|error|warning)\(\s*'([\w-]+)',", text)
    assert len(used) > 15
    assert set(used) <= NAMES.keys()
