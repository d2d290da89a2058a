"""One store written by two ranks, as torchrun starts them."""

import multiprocessing

import pytest
import torch.distributed
from test_store import contents, planned, rows_of, write

from mmnkd.cache.store import Store
from mmnkd.cache.writer import batches_of, own, write_blocks, writing


def _write_as_rank(rank, meeting, folder, fails):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{meeting}', rank=rank, world_size=2
    )

    if fails and rank == 1:
        Store.write = _full_disk
    try:
        with writing(planned(folder, epochs=3)) as store:
            blocks = own(store.missing)
            assert len(blocks) in (4, 5)
            write_blocks(store, batches_of(store, blocks, 3), rows_of)
    except OSError:
        assert fails  # every rank hears of it
    else:
        assert not fails


def _full_disk(*args):
    raise OSError(28, 'No space left on device')


def run_ranks(folder, meeting, fails=False):
    context = multiprocessing.get_context('fork')
    ranks = [
        context.Process(
            target=_write_as_rank, args=(rank, meeting, folder, fails)
        )
        for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    return [rank.exitcode for rank in ranks]


@pytest.mark.filterwarnings('ignore')
def test_two_ranks_write_what_one_writes(tmp_path):
    write(tmp_path / 'one', epochs=3)
    assert run_ranks(tmp_path / 'two', tmp_path / 'meeting') == [0, 0]
    assert (
        contents(tmp_path / 'two').keys() == contents(tmp_path / 'one').keys()
    )
    one, two = (Store.load(tmp_path / name) for name in ('one', 'two'))
    assert one.checksums == two.checksums


def test_an_error_of_one_rank_stops_all(tmp_path):
    folder = tmp_path / 'store'
    assert run_ranks(folder, tmp_path / 'meeting', fails=True) == [0, 0]
    assert len(Store.load(folder).checksums) == 1
