"""Files from a server, and files with a hash in their name."""

import hashlib
import http.server
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import tiny
import torch

from mmnkd import download
from mmnkd.checkpoint import read_state_dict


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


def save(path):
    weights = tiny.build(tiny.resnet()).state_dict()
    torch.save({'state_dict': weights}, path)
    return weights


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
    with pytest.raises(FileNotFoundError, match='its name says 0000'):
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
    monkeypatch.setattr(download, 'barrier', both.wait)
    monkeypatch.setattr(download, 'is_main_process', lambda: names.rank == 0)

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


# Faults on the way.


@pytest.fixture
def flaky(tmp_path, monkeypatch):
    """Serve bytes, cut off as many times as asked; yield what to change."""
    told = {'body': b'', 'cuts': 0, 'requests': 0}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            told['requests'] += 1
            self.send_response(200)
            self.send_header('Content-Length', str(len(told['body'])))
            self.end_headers()
            cut = told['requests'] <= told['cuts']
            half = len(told['body']) // 2
            self.wfile.write(told['body'][:half])
            told.pop('halfway', lambda: None)()
            self.wfile.write(told['body'][half : -100 if cut else None])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
        monkeypatch.setattr(download, 'PAUSES', (0.0, 0.0))
        told['url'] = f'http://127.0.0.1:{web.server_port}/x.pth'
        yield told
        web.shutdown()


def test_a_download_that_breaks_off_is_tried_again(flaky, tmp_path):
    weights = save(tmp_path / 'x.pth')
    flaky.update(body=(tmp_path / 'x.pth').read_bytes(), cuts=2)
    assert tiny.same(read_state_dict(flaky['url']), weights)
    assert flaky['requests'] == 3


def test_two_may_download_one_file_at_a_time(flaky):
    # More than fits between two sockets, so the first has begun to write.
    flaky['body'] = bytes(32 << 20)
    flaky['halfway'] = lambda: download.downloaded(flaky['url'])
    path = download.downloaded(flaky['url'])
    assert path.stat().st_size == 32 << 20
    assert flaky['requests'] == 2


def test_half_a_file_is_not_kept(flaky, tmp_path):
    flaky.update(body=bytes(1000), cuts=3)
    with pytest.raises(FileNotFoundError, match='IncompleteRead|of 1000'):
        read_state_dict(flaky['url'])
    assert flaky['requests'] == 3
    assert not [p for p in (tmp_path / 'hub').rglob('*') if p.is_file()]


def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    monkeypatch.setattr(download, 'PAUSES', ())
    monkeypatch.setattr(download, 'SILENCE', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}/x.pth'
        with pytest.raises(FileNotFoundError, match='timed out'):
            read_state_dict(url)


def test_a_broken_file_of_a_download_is_named_by_its_path(flaky):
    flaky['body'] = b'<html>quota exceeded</html>'
    with pytest.raises(ValueError, match=r'http.*\(.*hub.checkpoints.*x.pth'):
        read_state_dict(flaky['url'])


def test_a_cached_file_is_checked_against_its_name(server, tmp_path):
    _, url, _ = server
    path = tmp_path / 'hub' / 'checkpoints' / 'resnet-0123abcd.pth'
    path.parent.mkdir(parents=True)
    save(path)
    with pytest.raises(ValueError, match='SHA-256 of .*0123abcd.pth begins'):
        read_state_dict(f'{url}/{path.name}')


def test_a_local_file_is_checked_against_its_name(tmp_path, log_text):
    save(tmp_path / 'x.pth')
    digest = hashlib.sha256((tmp_path / 'x.pth').read_bytes()).hexdigest()
    for name in (digest[:8], 'abcd0123'):
        path = tmp_path / f'resnet-{name}.pth'
        path.write_bytes((tmp_path / 'x.pth').read_bytes())
        assert 'right file' not in log_text()
        read_state_dict(str(path))
    assert 'but its name says abcd0123' in log_text()


@pytest.mark.parametrize('name', ['epoch_9', 'iter_90', 'best_top1_epoch_9'])
def test_a_name_of_mmengines_hook_has_another_hash(name, server, log_text):
    folder, url, _ = server
    path = folder / f'{name}-0123abcd.pth'
    save(path)
    read_state_dict(str(path))
    assert 'right file' not in log_text()
    read_state_dict(f'{url}/{path.name}')
