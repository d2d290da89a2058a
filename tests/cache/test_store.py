import json
import multiprocessing
import os
import stat
import struct
from pathlib import Path

import pytest
import torch

from mmnkd.cache.store import Store
from mmnkd.cache.writer import batches_of, own, write_blocks, writing


def planned(folder, **changes):
    content = {
        'teacher': {'config': 'aa', 'weights': 'bb'},
        'views': {'count': '10', 'pipeline': 'cc', 'seed': '0'},
        'classes': 5,
        'topk': None,
        'epochs': 2,
        'block_size': 4,
        'versions': {},
        **changes,
    }
    return Store(folder, **content)


def rows_of(batch):
    return torch.tensor([[10.0 * epoch + i] * 5 for epoch, i in batch]).half()


def write(folder, stop_after=None, **changes):
    """Write a store; a batch that raises ends it as a kill does."""
    left = [stop_after]

    def answer(batch):
        if left[0] == 0:
            raise KeyboardInterrupt
        if left[0] is not None:
            left[0] -= 1
        return rows_of(batch)

    with writing(planned(folder, **changes)) as store:
        missing = store.missing
        write_blocks(store, batches_of(store, own(missing), 3), answer)
    return missing


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.glob('*.*'))}


def test_every_view_is_found_in_its_block(tmp_path):
    assert len(write(tmp_path)) == 2 * 3
    found = Store.load(tmp_path)
    for block in found.blocks:
        found.check(block)
        epoch, indices = found.views_of(block)
        views = [(epoch, index) for index in indices]
        assert (found.read(block) == rows_of(views).numpy()).all()


def test_a_killed_writing_goes_on_and_ends_bit_identical(tmp_path):
    write(tmp_path / 'whole')
    broken = tmp_path / 'broken'
    with pytest.raises(KeyboardInterrupt):
        write(broken, stop_after=6)
    (broken / '.00000003.safetensors.part').write_bytes(b'half')
    (broken / '00000003.safetensors').write_bytes(b'not counted')
    assert len(Store.load(broken).checksums) == 3
    assert write(broken)[0] == 3
    assert contents(broken) == contents(tmp_path / 'whole')


def test_more_epochs_are_added_and_a_broken_block_is_written_anew(tmp_path):
    write(tmp_path)
    path = tmp_path / '00000004.safetensors'
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    with pytest.raises(ValueError, match='its checksum is wrong'):
        Store.load(tmp_path).check(4)
    assert write(tmp_path, epochs=1) == [4]
    assert len(write(tmp_path, epochs=3)) == 3
    assert Store.load(tmp_path).epochs == 3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'topk': 2}, 'topk None instead of 2'),
        ({'teacher': {'weights': 'zz'}}, 'teacher weights bb instead of zz'),
        (
            {'views': {'count': '10', 'pipeline': 'cc', 'seed': '1'}},
            'views seed 0 instead of 1',
        ),
    ],
)
def test_a_store_of_something_else_is_not_written_to(
    tmp_path, changes, message
):
    write(tmp_path)
    with pytest.raises(ValueError, match=message):
        write(tmp_path, **changes)


def test_a_store_is_not_continued_by_other_libraries(tmp_path):
    old, new = {'mmcv': '2.0'}, {'mmcv': '2.2'}
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, stop_after=4, versions=old)
    with pytest.raises(ValueError, match=r'has mmcv 2\.0 instead of 2\.2'):
        write(tmp_path, versions=new)
    write(tmp_path, versions=old)
    assert write(tmp_path, versions=new) == []
    assert Store.load(tmp_path).versions == old


def _hold(folder, held, release):
    with writing(planned(folder)):
        held.set()
        release.wait(30)


def test_a_second_writer_is_refused(tmp_path):
    context = multiprocessing.get_context('fork')
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(OSError, match='but another process does'):
            write(tmp_path)
    finally:
        release.set()
        other.join()
    write(tmp_path)  # the lock went with its process


def test_a_full_disk_is_told_and_leaves_no_half_block(tmp_path, monkeypatch):
    calls = []
    fsync = os.fsync

    def full(handle):
        calls.append(handle)
        if len(calls) == 7:  # a block's
            raise OSError(28, 'No space left on device')
        return fsync(handle)

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r'\(No space left on device\).*go on'):
        write(tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob('.*.part'))
    counted = set(Store.load(tmp_path).checksums)
    assert counted == {p.name for p in tmp_path.glob('*.safetensors')}
    write(tmp_path)


def test_a_file_system_that_syncs_no_folders_will_do(tmp_path, monkeypatch):
    sync = os.fsync

    def files_alone(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, 'Invalid argument')
        sync(descriptor)

    monkeypatch.setattr(os, 'fsync', files_alone)
    write(tmp_path)
    assert not Store.load(tmp_path).missing


def test_a_read_only_disk_is_told(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(30, 'Read-only file system')

    monkeypatch.setattr(Path, 'mkdir', refuse)
    with pytest.raises(OSError, match=r'\(Read-only file system\).*--out'):
        write(tmp_path / 'store')


def test_no_store_and_broken_manifests_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='Run first: mmnkd cache'):
        Store.load(tmp_path)
    write(tmp_path)
    path = tmp_path / 'manifest.json'
    good = json.loads(path.read_text())
    for changes in (
        {'format': 2},
        {'classes': 2**40},
        {'classes': '5'},
        {'topk': 6},
        {'epochs': -1},
        {'block_size': 0},
        {'views': {'count': 'many'}},
        {'views': {}},
        {'checksums': ['../../etc/passwd']},
        {'more': 1},
    ):
        path.write_text(json.dumps({**good, **changes}))
        with pytest.raises(ValueError, match='as `mmnkd cache` wrote it'):
            Store.load(tmp_path)
    for text in ('[' * 10**5, '[]', '{', '"x"'):
        path.write_text(text)
        with pytest.raises(ValueError, match='as `mmnkd cache` wrote it'):
            Store.load(tmp_path)
    with open(path, 'wb') as file:
        file.truncate(2**30)
    with pytest.raises(ValueError, match='larger than'):
        Store.load(tmp_path)


def hostile(header, body=b'', length=None):
    text = json.dumps(header).encode()
    return struct.pack('<Q', length or len(text)) + text + body


def tensor(end, shape, dtype='F16', name='rows'):
    return {name: {'dtype': dtype, 'shape': shape, 'data_offsets': [0, end]}}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (hostile({}, b'0' * 40, length=10 * 2**30), '(?i)header ?too ?large'),
        (
            hostile(tensor(4000, [400, 5]), b'0' * 40),
            'not fully covered|IncompleteBuffer',  # as safetensors 0.4 says
        ),
        (
            hostile(tensor(40, [4, 5], 'F8_E5M2'), b'0' * 40),
            'it has torch.|in',
        ),
        (hostile(tensor(40, [2, 10]), b'0' * 40), 'it has torch.'),
        (hostile(tensor(40, [4, 5], name='x'), b'0' * 40), r"it has \['x'\]"),
        (b'0' * 39, 'it has 39 bytes for 40'),
        (b'0' * 10**6, 'it has 1000000 bytes for 40'),
        (b'', 'it has 0 bytes'),
    ],
)
def test_a_hostile_block_is_refused(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / '00000000.safetensors').write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Store.load(tmp_path).read(0)


def test_links_out_of_the_folder_and_missing_blocks_are_refused(tmp_path):
    folder = tmp_path / 'store'
    write(folder)
    path = folder / '00000000.safetensors'
    path.rename(tmp_path / 'outside')
    found = Store.load(folder)
    with pytest.raises(ValueError, match='it is not there'):
        found.read(0)
    path.symlink_to(tmp_path / 'outside')
    with pytest.raises(ValueError, match='it is a link to'):
        found.read(0)
