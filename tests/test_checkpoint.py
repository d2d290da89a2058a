"""Checkpoints: read safely, and strictly."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.registry import PARAM_SCHEDULERS
from safetensors.torch import save_file

from mmnkd.checkpoint import _method, check_file, read_state_dict
from mmnkd.cli.resume import choose_checkpoint


class Malicious:
    """Runs a command when it is unpickled, as a real attack would."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class NamesAMethod:
    """Asks for another method than those of files, a step of an attack."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, 'register_statistics')


@pytest.mark.parametrize('disguise', ['bare', 'in the logs of a Runner'])
def test_a_malicious_pickle_is_refused(tmp_path, disguise):
    mark, path = tmp_path / 'mark', tmp_path / 'malicious.pth'
    payload = Malicious(mark)
    if disguise != 'bare':
        payload = {'message_hub': {'log': [HistoryBuffer([1], [1]), payload]}}
    torch.save({'state_dict': {}, 'extra': payload}, path)
    if not tiny.OLD_TORCH:  # which runs code unless it is told not to
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path)
    with pytest.raises(ValueError, match='Unsupported.*could run code'):
        read_state_dict(str(path))
    assert not mark.exists()
    with zipfile.ZipFile(path) as archive:  # the file's attack is real
        (inside,) = (n for n in archive.namelist() if n.endswith('data.pkl'))
        pickle.loads(archive.read(inside))
    assert mark.exists()


@tiny.needs_safe_globals
def test_getattr_reaches_a_few_methods_and_nothing_else(tmp_path):
    torch.save(NamesAMethod(), tmp_path / 'x.pth')
    with pytest.raises(
        pickle.UnpicklingError, match=r'one of .*HistoryBuffer.min'
    ):
        torch.load(tmp_path / 'x.pth')
    for owner, name in (
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, 'register_statistics'),
        (OneCycleParamScheduler, '__init__'),
        (OneCycleParamScheduler, 'mean'),
        (str, 'mean'),
        ({}, 'mean'),
    ):
        with pytest.raises(pickle.UnpicklingError):
            _method(owner, name)


def test_mmengine_resumes_its_own_logs(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    content = {'log': buffer, 'scalar': np.float32(3), 'count': np.int64(4)}
    torch.save(content, tmp_path / 'x.pth')
    loaded = torch.load(tmp_path / 'x.pth')
    assert loaded['log'].mean() == 1.5
    assert (loaded['scalar'], loaded['count']) == (3, 4)


SCHEDULERS = {
    'ConstantLR': {},
    'CosineAnnealingLR': {'T_max': 5},
    'CosineRestartLR': {
        'periods': [2, 3],
        'restart_weights': [1, 1],
        'eta_min': 0,
    },
    'ExponentialLR': {'gamma': 0.5},
    'LinearLR': {},
    'MultiStepLR': {'milestones': [2]},
    'OneCycleLR': {'eta_max': 0.1, 'total_steps': 9},
    'PolyLR': {},
    'ReduceOnPlateauLR': {'monitor': 'loss'},
    'StepLR': {'step_size': 2},
}


def is_of_mmengine(name, scheduler):
    return name.endswith('LR') and scheduler.__module__.startswith('mmengine')


@tiny.needs_safe_globals
@pytest.mark.parametrize('anneal', ['cos', 'linear'])
def test_schedulers_of_mmengine_resume(tmp_path, anneal):
    known = {n for n in PARAM_SCHEDULERS.module_dict if n.endswith('LR')}
    known = {
        n
        for n in known
        if PARAM_SCHEDULERS.get(n).__module__.startswith('mmengine')
    }
    assert known == SCHEDULERS.keys()
    for name, settings in SCHEDULERS.items():
        optimizer = torch.optim.SGD([torch.ones(1)], 0.1, momentum=0.9)
        config = {'type': name, 'optimizer': optimizer, **settings}
        if name == 'OneCycleLR':
            config['anneal_strategy'] = anneal
        state = PARAM_SCHEDULERS.build(config).state_dict()
        torch.save(state, tmp_path / 'x.pth')
        assert torch.load(tmp_path / 'x.pth') == state, name


@pytest.fixture
def torch_2_1(monkeypatch):
    """Let torch know as few safe names as old versions do."""
    monkeypatch.setattr(torch, '__version__', '2.1.2')
    if tiny.OLD_TORCH:
        yield
        return
    known = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.add_safe_globals(known)


def test_an_old_torch_reads_weights_alone(torch_2_1, tmp_path):
    weights = save(tmp_path / 'weights.pth')
    assert tiny.same(read_state_dict(str(tmp_path / 'weights.pth')), weights)
    path = tmp_path / 'epoch_1.pth'
    save(path, message_hub={'log': HistoryBuffer([1.0], [1])})
    with pytest.raises(ValueError, match='2.6 or later, but this is 2.1.2'):
        read_state_dict(str(path))
    with pytest.raises(ValueError, match=r'got 2.1.2. Update torch to use'):
        choose_checkpoint(Config({'work_dir': str(tmp_path), 'resume': True}))


def save(path, **extra):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save({'state_dict': weights, **extra}, path)
    return weights


@tiny.needs_safe_globals
def test_weights_are_read_from_what_a_runner_saves(tmp_path):
    run = tiny.train(tiny.resnet(), tmp_path)
    weights = read_state_dict(str(tmp_path / 'epoch_1.pth'))
    assert tiny.same(weights, run.model.state_dict())


def test_weights_are_read_without_a_wrapper(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save(weights, tmp_path / 'bare.pth')
    assert tiny.same(read_state_dict(str(tmp_path / 'bare.pth')), weights)


def test_weights_are_read_from_safetensors(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    path = tmp_path / 'x.safetensors'
    save_file(weights, path)
    loaded = read_state_dict(str(path))
    assert tiny.same({name: loaded[name] for name in weights}, weights)
    path.write_bytes(b'<html>404</html>')
    with pytest.raises(ValueError, match=r'safetensors file at .*Fetch a br'):
        read_state_dict(str(path))


def test_names_of_ddp_and_of_losses_are_dropped(tmp_path):
    weights = tiny.build(tiny.resnet()).state_dict()
    saved = {f'module.{k}': v for k, v in weights.items()}
    saved['module.distill_losses.mine.weight'] = torch.ones(1)
    torch.save(saved, tmp_path / 'x.pth')
    assert tiny.same(read_state_dict(str(tmp_path / 'x.pth')), weights)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'meta': 1, 'epoch': 2}, r"state_dict.*dict of \['meta', 'epoch'\]"),
        ({}, 'state_dict'),
        ({'state_dict': {'a': 1}}, r"dict of \['state_dict'\]"),
        (torch.ones(3), 'but got Tensor'),
    ],
)
def test_a_file_without_weights_is_an_error(content, message, tmp_path):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=message):
        read_state_dict(str(tmp_path / 'x.pth'))


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError, match='none at .no/such.pth'):
        read_state_dict('no/such.pth')


def test_a_broken_file_is_an_error(tmp_path):
    path = tmp_path / 'x.pth'
    save(path)
    some = path.read_bytes()[:5000]
    for content in (b'<html>404</html>', b'hello', some, b''):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r'x.pth.*Fetch a broken'):
            read_state_dict(str(path))


def test_a_file_of_nearly_that_name_is_named(tmp_path):
    (tmp_path / 'my_student.py').touch()
    with pytest.raises(FileNotFoundError) as error:
        check_file('config', str(tmp_path / 'my_studnet.py'))
    assert f"Nearest: '{tmp_path / 'my_student.py'}'." in str(error.value)
