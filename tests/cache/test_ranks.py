"""One store written by two ranks, as torchrun starts them."""

import multiprocessing

import pytest
import torch.distributed
from test_store import contents, manifest, rows_of, write

from mmnkd.cache.store import Manifest
from mmnkd.cache.writer import BlockBatches, StoreWriter


def _write_as_rank(rank, meeting, folder, fails):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{meeting}', rank=rank, world_size=2
    )

    def answer(batch):
        return rows_of(batch)

    if fails and rank == 1:

        def full(*args):
            raise OSError(28, 'No space left on device')

        import mmnkd.cache.writer as module

        module.write_block = full
    try:
        with StoreWriter(folder, manifest(epochs=3)) as writer:
            blocks = writer.missing()
            own = writer.own(blocks)
            assert len(own) in (4, 5)
            batches = BlockBatches(own, writer.manifest, 3)
            writer.write(blocks, batches, answer, lambda count: None)
    except OSError:
        assert fails  # every rank hears of it
    else:
        assert not fails


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
    one, two = (Manifest.load(tmp_path / name) for name in ('one', 'two'))
    assert one.blocks == two.blocks


def test_an_error_of_one_rank_stops_all(tmp_path):
    folder = tmp_path / 'store'
    assert run_ranks(folder, tmp_path / 'meeting', fails=True) == [0, 0]
    assert len(Manifest.load(folder).blocks) == 1
