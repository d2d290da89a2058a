"""The stack: where it is unusable, an ImportError says what to do."""

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

from mmnkd import registry as stack


def run(code, *arguments):
    """Run Python code in a process of its own; return what it printed."""
    result = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.stdout


def hiding(*names):
    """Return code that hides modules as if they weren't installed."""
    return (
        'import importlib.util as u, sys; real = u.find_spec\n'
        'u.find_spec = lambda name, *a: '
        f'None if name in {names!r} else real(name, *a)\n'
        f'for name in {names!r}: sys.modules[name] = None\n'
    )


@pytest.mark.parametrize('name', ['mmengine', 'mmcv', 'mmpretrain'])
def test_a_missing_stack_is_an_import_error_with_the_command(name):
    printed = run(hiding(name) + 'import mmnkd')
    assert 'ImportError: mmnkd needs mmengine, mmcv, mmpretrain' in printed
    assert f'but {name} can not be found' in printed
    assert 'pip install "mmnkd[openmmlab]"' in printed
    assert 'pip install "mmnkd[onedl]"' in printed


def test_the_losses_work_without_the_stack():
    code = hiding('mmengine', 'mmcv', 'mmpretrain') + (
        'from mmnkd.functional import nkd_loss; import mmnkd\n'
        'print(nkd_loss.__name__, mmnkd.__version__)'
    )
    assert run(code) == 'nkd_loss 0.1.0\n'


def test_classes_asked_for_after_the_losses_say_what_is_missing():
    code = hiding('mmpretrain') + (
        'import mmnkd.functional; mmnkd.DistilledClassifier'
    )
    assert 'ImportError: mmnkd needs' in run(code)


def test_classes_are_registered_after_the_losses_were_imported_alone():
    code = (
        'import mmnkd.functional\n'
        'import sys; assert "mmengine" not in sys.modules\n'
        'import mmpretrain\n'
        'from mmengine.registry import MODELS\n'
        'print(MODELS.get("DistilledClassifier"))'
    )
    assert 'mmnkd.classifier.classifiers.DistilledClassifier' in run(code)


def test_an_unknown_name_is_an_attribute_error():
    printed = run('import mmnkd; mmnkd.NoSuchLoss')
    assert "module 'mmnkd' has no attribute 'NoSuchLoss'" in printed


def test_setuptools_without_pkg_resources_is_an_import_error(monkeypatch):
    monkeypatch.setattr(stack, '_installed', lambda name: name == 'mmengine')
    real = stack.find_spec
    monkeypatch.setattr(
        stack, 'find_spec', lambda n: None if n == 'pkg_resources' else real(n)
    )
    with pytest.raises(ImportError, match=r'pip install "setuptools<82"'):
        stack.check_stack()


def test_two_stacks_at_once_are_an_import_error(monkeypatch):
    monkeypatch.setattr(stack, '_installed', lambda name: True)
    with pytest.raises(ImportError, match='overwritten.*pip uninstall -y mm'):
        stack.check_stack()


def test_a_stack_that_can_not_be_imported_is_an_import_error(monkeypatch):
    def fail(name):
        raise AssertionError('MMCV==9.0 is used but incompatible.')

    monkeypatch.setattr(stack.importlib, 'import_module', fail)
    with pytest.raises(ImportError, match=r'MMCV==9.0.*Run: pip install'):
        stack.check_stack()


def test_a_broken_onedl_stack_is_not_told_to_install_the_other(monkeypatch):
    def fail(name):
        raise ImportError('no such symbol')

    monkeypatch.setattr(stack.importlib, 'import_module', fail)
    monkeypatch.setattr(stack, '_installed', lambda n: n.startswith('onedl'))
    with pytest.raises(ImportError, match=r'no such symbol.*mmnkd\[onedl\]'):
        stack.check_stack()


def test_losses_alone_do_not_make_the_import_of_mmpretrain_fail():
    code = hiding('mmcv') + (
        'import sys, types, mmnkd.functional\n'
        'sys.path.insert(0, sys.argv[1]); import mmpretrain\n'
        'print("imported", mmpretrain.answer)'
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'mmpretrain.py').write_text('answer = 42')
        printed = run(code, folder)
    assert 'imported 42' in printed
    assert 'UserWarning: mmnkd needs' in printed


def test_what_is_installed_is_read_from_metadata():
    assert stack._installed('torch')
    assert not stack._installed('no-such-distribution')
    assert metadata.version('mmnkd') == '0.1.0'
