"""One store written, and read, by two ranks as torchrun starts them."""

import multiprocessing
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from test_store import contents, planned, rows_of, write
from views import cache

from mmnkd.cache.store import Store
from mmnkd.cache.writer import batches_of, own, write_blocks, writing


def _write_as_rank(rank, meeting, folder, fails):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{meeting}', rank=rank, world_size=2
    )

    if rank == 1 and fails:
        Store.write = partial(_fail, fails)
    # Every rank hears of an error.
    told = re.escape(str(fails))
    heard = pytest.raises(type(fails), match=told) if fails else nullcontext()
    with heard, writing(planned(folder, epochs=3)) as store:
        blocks = own(store.missing)
        assert len(blocks) in (4, 5)
        write_blocks(store, batches_of(store, blocks, 3), rows_of)


def _fail(error, *args):
    raise error


def run_ranks(folder, meeting, fails=None):
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


def test_ranks_go_on_with_all_epochs_that_were_begun(tmp_path):
    folder = tmp_path / 'store'
    with pytest.raises(KeyboardInterrupt):
        write(folder, stop_after=6, epochs=4)
    assert len(Store.load(folder).checksums) == 3
    assert run_ranks(folder, tmp_path / 'meeting') == [0, 0]
    found = Store.load(folder)
    assert found.epochs == 4
    assert not found.missing


@pytest.mark.parametrize(
    'error',
    [OSError(28, 'No space left'), torch.cuda.OutOfMemoryError('CUDA')],
)
def test_an_error_of_one_rank_stops_all(tmp_path, error):
    folder = tmp_path / 'store'
    assert run_ranks(folder, tmp_path / 'meeting', fails=error) == [0, 0]
    assert len(Store.load(folder).checksums) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_two_ranks_of_torchrun_train_from_their_own_rows(tmp_path):
    cached = cache(tmp_path)
    here = Path(__file__).parent
    config = Config.fromfile(cached)
    config.custom_imports.imports.append('recorded_views')
    config.custom_hooks = [{'type': 'RecordedViews'}]
    config.train_dataloader.batch_size = 5
    config.dump(tmp_path / 'two.py')
    command = '-m torch.distributed.run --standalone --nproc_per_node 2 -m'
    command += f' mmnkd train {tmp_path}/two.py --launcher pytorch'
    command += ' --no-persistent-workers --work-dir'
    paths = [str(here), str(here.parents[1]), os.environ.get('PYTHONPATH', '')]
    subprocess.run(
        [sys.executable, *command.split(), str(tmp_path / 'work')],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(paths),
            'RECORDED_VIEWS': str(tmp_path),
        },
        check=True,
    )
    (one, weights), (two, others) = (
        torch.load(tmp_path / f'{rank}.pth') for rank in range(2)
    )
    assert len(one) == len(two) == 40
    everything = {**one, **two}
    assert everything.keys() == {(e, i) for e in range(2) for i in range(40)}
    store = Store.load(cached.parent)
    for (epoch, index), logits in everything.items():
        assert (logits.numpy() == store.read(epoch)[index]).all()
    assert all(torch.equal(weights[k], others[k]) for k in weights)
