"""Checkpoints are written whole, and read by mmnkd's own loader."""

import errno
import os
import stat

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mmnkd.cli import files
from mmnkd.cli.files import (
    WholeFiles,
    publish_if_possible,
    read_safely,
    write_whole,
)


@pytest.fixture
def own_loader():
    read_safely()


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'a.pth'
    WholeFiles().put(b'old', path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(OSError, match='No space left'):
            WholeFiles().put(b'new', path)
    assert path.read_bytes() == b'old'
    WholeFiles().put(b'new', path)
    assert [p.name for p in path.parent.iterdir()] == ['a.pth']
    assert path.read_bytes() == b'new'


def test_a_file_system_that_syncs_no_folders_will_do(tmp_path, monkeypatch):
    sync = os.fsync

    def files_alone(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, 'fsync', files_alone)
    WholeFiles().put(b'new', tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').read_bytes() == b'new'


def test_a_checkpoint_is_removed_after_the_next_is_written(tmp_path):
    old, new, other = (tmp_path / name for name in ('a.pth', 'b.pth', 'c.txt'))
    for path in (old, other):
        path.touch()
    WholeFiles().remove(other)
    WholeFiles().remove(old)
    assert old.exists()
    assert not other.exists()
    WholeFiles().put(b'new', new)
    assert not old.exists()
    assert new.exists()
    WholeFiles().remove(new)
    WholeFiles().put(b'newer', new)
    assert new.read_bytes() == b'newer'


def test_a_checkpoint_is_not_removed_for_a_file_of_another_kind(tmp_path):
    old = tmp_path / 'a.pth'
    old.touch()
    WholeFiles().remove(old)
    WholeFiles().put(b'{}', tmp_path / 'scalars.json')
    assert old.exists()
    WholeFiles().put(b'new', tmp_path / 'b.pth')
    assert not old.exists()


def test_a_checkpoint_that_was_written_anew_is_not_removed(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')
    WholeFiles().remove(path)
    (tmp_path / 'other').write_bytes(b'new')
    (tmp_path / 'other').replace(path)
    WholeFiles().put(b'', tmp_path / 'b.pth')
    assert path.read_bytes() == b'new'


def test_a_training_removes_nothing_of_an_earlier_one(tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'register_backend', lambda *a, **k: None)
    old = tmp_path / 'a.pth'
    old.touch()
    WholeFiles().remove(old)
    write_whole()
    WholeFiles().put(b'', tmp_path / 'b.pth')
    assert old.exists()


def test_every_scheme_is_read_safely_or_refused(own_loader, monkeypatch):
    read = []
    monkeypatch.setattr(
        files, 'read_checkpoint', lambda name, where: read.append(name) or {}
    )
    for name in (
        'a.pth',
        'http://x/a.pth',
        'https://x/a.pth',
        'torchvision://resnet18',
        'modelzoo://resnet18',
        'open-mmlab://resnet50_caffe',
        'openmmlab://resnet50_caffe',
    ):
        assert CheckpointLoader.load_checkpoint(name) == {}
    assert len(read) == 7
    assert read[3] == read[4]
    assert all(name.startswith('http') for name in read[1:])
    for name in ('mmcls://a', 'pavi://a', 's3://a', 'c:petrel://a'):
        with pytest.raises(ValueError, match='without running code'):
            CheckpointLoader.load_checkpoint(name)
    assert {
        loader.__module__ for loader in CheckpointLoader._schemes.values()
    } == {'mmnkd.cli.files'}


def test_an_old_torch_publishes_nothing_and_says_so(monkeypatch, log_text):
    def hook():
        keys = {'published_keys': ['state_dict'], 'interval': 1}
        config = Config({'default_hooks': {'checkpoint': keys}})
        publish_if_possible(config)
        return set(config.default_hooks.checkpoint)

    monkeypatch.setattr(torch, '__version__', '2.6.0')
    assert hook() == {'published_keys', 'interval'}
    monkeypatch.setattr(torch, '__version__', '2.1.2')
    assert hook() == {'interval'}
    assert 'needs torch 2.6 or later, but this is 2.1.2' in log_text()
    publish_if_possible(Config())


def test_a_file_without_names_is_an_error(own_loader, tmp_path):
    torch.save(torch.ones(3), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='weights by name, but got Tensor'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'))
