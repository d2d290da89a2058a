"""README's table of versions is what the recorded runs say."""

import json
import shutil
import sys

import stacks
from command import ROOT


def test_readme_has_the_table_of_the_recorded_runs(tmp_path):
    copy = tmp_path / 'README.md'
    shutil.copy(ROOT / 'README.md', copy)
    stacks.write_readme(json.loads(stacks.RECORD.read_text()), copy)
    assert copy.read_text() == (ROOT / 'README.md').read_text()


def test_every_recorded_run_passed():
    for row in json.loads(stacks.RECORD.read_text()).values():
        result = row.get('result', ' passed')  # no record yet
        assert ' passed' in result
        assert 'failed' not in result
        assert 'error' not in result


def test_a_stack_without_its_python_keeps_its_row(monkeypatch, capsys):
    monkeypatch.setitem(stacks.STACKS, 'oldest', ('oldest', '2.0', ''))
    assert stacks.find_python('2.0') is None
    assert stacks.run('oldest') is None
    assert 'oldest: no Python 2.0 here' in capsys.readouterr().out


def test_an_interpreter_is_found_by_its_version(monkeypatch):
    monkeypatch.setattr(stacks.shutil, 'which', lambda name: sys.executable)
    monkeypatch.setattr(stacks, 'output', lambda *_: '3.9\n')
    assert stacks.find_python('3.9') == sys.executable


def test_the_closing_line_of_the_tests_is_read():
    printed = (
        'FAILED tests/a.py::b - assert 1 passed in all\n'
        '= 2 failed, 3400 passed, 1 skipped, 3 warnings in 61.2s (0:01:01) ='
    )
    assert stacks.SUMMARY.findall(printed)[-1].startswith('2 failed, 3400 pas')
