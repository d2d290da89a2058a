"""The stack: where it is unusable, an ImportError says what to do."""

import subprocess
import sys

import pytest
import torch

from mmnkd import registry


def run(code):
    """Run Python code in a process of its own; return what it printed."""
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
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


WITHOUT = hiding('mmengine', 'mmcv', 'mmpretrain')
FAILS = """
def shown(do):
    try: do()
    except ImportError as error: print(error)
    else: print('no error')
"""


def test_without_the_stack_the_losses_work_and_classes_say_what_to_install():
    lines = run(
        WITHOUT + FAILS + 'from mmnkd import functional\n'
        'import mmnkd, importlib.util as u\n'
        'from mmnkd.functional import nkd_loss\n'
        'print(functional.nkd_loss is nkd_loss, mmnkd.__version__)\n'
        'print(u.find_spec("mmnkd.functional").name)\n'
        'shown(lambda: mmnkd.DistilledClassifier)'
    ).splitlines()
    assert lines[:2] == ['True 0.1.0', 'mmnkd.functional']
    assert 'mmnkd needs mmengine, mmcv, mmpretrain, but mmengine,' in lines[2]
    assert 'pip install "mmnkd[openmmlab]"' in lines[2]
    assert 'pip install "mmnkd[onedl]"' in lines[2]


@pytest.mark.parametrize('name', ['mmengine', 'mmcv'])
def test_a_part_that_is_missing_is_an_import_error_that_names_it(
    name, monkeypatch
):
    hide(monkeypatch, name)
    message = rf'but {name} can not be found. Run: pip install "mmnkd\[openm'
    with pytest.raises(ImportError, match=message):
        registry.register()


def hide(monkeypatch, name):
    real = registry.find_spec
    monkeypatch.setattr(
        registry, 'find_spec', lambda n: None if n == name else real(n)
    )


def test_classes_are_registered_whoever_looked_for_mmpretrain_first():
    printed = run(
        'import mmnkd.functional, importlib.util as u\n'
        'u.find_spec("mmpretrain")\n'
        'import mmpretrain, mmnkd\n'
        'from mmengine.registry import MODELS\n'
        'print(MODELS.get("DistilledClassifier"), MODELS.get("NKDLoss"))'
    )
    assert 'mmnkd.classifier.classifiers.DistilledClassifier' in printed
    assert 'mmnkd.losses.nkd.NKDLoss' in printed


def test_an_unknown_name_is_an_attribute_error():
    import mmnkd

    with pytest.raises(AttributeError, match="'mmnkd' has no .*'NoSuchLoss'"):
        mmnkd.NoSuchLoss  # noqa: B018


def test_setuptools_without_pkg_resources_is_an_import_error(monkeypatch):
    monkeypatch.setattr(registry, '_installed', lambda n: n == 'mmengine')
    hide(monkeypatch, 'pkg_resources')
    with pytest.raises(ImportError, match=r'pip install "setuptools<82"'):
        registry.check_stack()


def test_two_stacks_at_once_are_an_import_error(monkeypatch):
    monkeypatch.setattr(registry, '_installed', lambda name: True)
    with pytest.raises(ImportError, match='overwritten.*pip uninstall -y mm'):
        registry.check_stack()


@pytest.mark.parametrize(
    ('stack', 'command'),
    [('openmmlab', r'"mmnkd\[openmmlab\]"'), ('onedl', '.* onedl-mmpretrain')],
)
@pytest.mark.parametrize('kind', [AssertionError, ImportError])
def test_a_stack_that_can_not_be_imported_is_an_import_error(
    stack, command, kind, monkeypatch
):
    def fail(name):
        raise kind('MMCV==9.0 is used but incompatible.')

    monkeypatch.setattr(registry.importlib, 'import_module', fail)
    monkeypatch.setattr(
        registry,
        '_installed',
        lambda name: name.startswith('onedl') and stack == 'onedl',
    )
    message = rf'MMCV==9\.0.*Run: pip install {command}$'
    with pytest.raises(ImportError, match=message):
        registry.check_stack()


class Tower(torch.nn.Linear):
    """A user's class that hands on what it does not know."""

    def __init__(self, height=1, **kwargs):
        if height < 1:
            raise ValueError('too low')
        super().__init__(2, 2, **kwargs)


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ({'hieght': 2}, TypeError, r"`here`:.*'hieght'\. Nearest: 'height'"),
        ({'dtpye': None}, TypeError, r"'dtpye'\. Nearest: 'dtype'\.$"),
        ({'qq': 1}, TypeError, r"unexpected keyword argument 'qq'$"),
        ({'height': '2'}, TypeError, '`here`: .*not supported'),
        ({'height': 0}, ValueError, '^In `here`: too low$'),
    ],
)
def test_what_a_class_refuses_is_told_with_its_place(
    arguments, error, message
):
    assert registry.construct(Tower, 'here', {'height': 2, 'bias': False})
    with pytest.raises(error, match=message):
        registry.construct(Tower, 'here', arguments)
