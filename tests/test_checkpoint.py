"""Checkpoints: read safely, from files and from a server, and strictly."""

import hashlib
import http.server
import pickle
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from mmnkd import checkpoint
from mmnkd.checkpoint import _statistic, read_state_dict


class Malicious:
    """Runs a command when it is unpickled, as a real attack would."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class NamesAMethod:
    """Asks for another method than a statistic, a step of an attack."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, 'register_statistics')


@pytest.mark.parametrize('disguise', ['bare', 'in the logs of a Runner'])
def test_a_malicious_pickle_is_refused(tmp_path, disguise):
    mark, path = tmp_path / 'mark', tmp_path / 'malicious.pth'
    payload = Malicious(mark)
    if disguise != 'bare':
        payload = {'message_hub': {'log': [HistoryBuffer([1], [1]), payload]}}
    torch.save({'state_dict': {}, 'extra': payload}, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)
    with pytest.raises(ValueError, match='Unsupported.*could run code'):
        read_state_dict(str(path))
    assert not mark.exists()
    with zipfile.ZipFile(path) as archive:  # the file's attack is real
        (inside,) = (n for n in archive.namelist() if n.endswith('data.pkl'))
        pickle.loads(archive.read(inside))
    assert mark.exists()


def test_getattr_reaches_the_statistics_and_nothing_else(tmp_path):
    torch.save(NamesAMethod(), tmp_path / 'x.pth')
    with pytest.raises(pickle.UnpicklingError, match='statistic of HistoryB'):
        torch.load(tmp_path / 'x.pth')
    for owner, name in (
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, 'register_statistics'),
        (str, 'mean'),
    ):
        with pytest.raises(pickle.UnpicklingError):
            _statistic(owner, name)


def test_mmengine_resumes_its_own_logs(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    content = {'log': buffer, 'scalar': np.float32(3), 'count': np.int64(4)}
    torch.save(content, tmp_path / 'x.pth')
    loaded = torch.load(tmp_path / 'x.pth')
    assert loaded['log'].mean() == 1.5
    assert (loaded['scalar'], loaded['count']) == (3, 4)


def save(path, **extra):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save({'state_dict': weights, **extra}, path)
    return weights


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


# From a server.


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a folder on 127.0.0.1; yield it, its URL and its log."""
    folder, requests = tmp_path / 'served', []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form, *args):
            requests.append(form % args)

    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
        yield folder, f'http://127.0.0.1:{web.server_port}', requests
        web.shutdown()


def test_weights_are_downloaded_once_and_their_hash_checked(server):
    folder, url, requests = server
    weights = save(folder / 'x.pth')
    digest = hashlib.sha256((folder / 'x.pth').read_bytes()).hexdigest()
    name = f'resnet-{digest[:8]}.pth'
    (folder / 'x.pth').rename(folder / name)
    for _ in range(2):
        assert tiny.same(read_state_dict(f'{url}/{name}'), weights)
    assert len(requests) == 1

    (folder / 'resnet-00000000.pth').write_bytes((folder / name).read_bytes())
    with pytest.raises(FileNotFoundError, match='invalid hash value'):
        read_state_dict(f'{url}/resnet-00000000.pth')


def test_two_urls_with_one_file_name_are_two_files(server):
    folder, url, _ = server
    for run in ('a', 'b'):
        (folder / run).mkdir()
        weights = save(folder / run / 'epoch_1.pth')
        assert tiny.same(read_state_dict(f'{url}/{run}/epoch_1.pth'), weights)


def test_a_failed_download_says_what_to_do(server):
    _, url, _ = server
    with pytest.raises(FileNotFoundError, match=r'404.*give its path'):
        read_state_dict(f'{url}/none.pth')


def test_where_a_download_fails_no_process_waits_for_ever(server, monkeypatch):
    # Two threads in place of the processes, and a barrier for both.
    _, url, _ = server
    both = threading.Barrier(2, timeout=60)
    names = threading.local()
    monkeypatch.setattr(checkpoint, 'barrier', both.wait)
    monkeypatch.setattr(checkpoint, 'is_main_process', lambda: names.rank == 0)

    def read(rank):
        names.rank = rank
        with pytest.raises(FileNotFoundError, match='404'):
            read_state_dict(f'{url}/none.pth')
        return rank

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, range(2))) == [0, 1]


def test_a_teacher_comes_from_a_url(server):
    folder, url, _ = server
    weights = save(folder / 'teacher.pth')
    options = {'model': tiny.resnet(), 'checkpoint': f'{url}/teacher.pth'}
    model = tiny.build(tiny.distilled(teacher_options=options))
    model.init_weights()
    assert tiny.same(model.teacher.network.state_dict(), weights)
