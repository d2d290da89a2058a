"""``mmnkd test CONFIG CHECKPOINT``: with the options of mmpretrain's test.py.

A distilled config needs no teacher file here.
"""

from __future__ import annotations

from collections.abc import Sequence

import mmengine
from mmengine.evaluator import DumpResults

from .files import read_safely
from .launch import build_runner, read_arguments
from .resume import LoadedHook

__all__ = ['main']

HELP = """\
usage: mmnkd test [-h] CONFIG CHECKPOINT [options]

Test a checkpoint by a config, as mmpretrain's test.py does. The checkpoint is
read without running code and must fit the student; a teacher isn't needed.

options:
  --work-dir DIR           where logs and metrics go
  --cfg-options KEY=VALUE ...
                           change the config: test_dataloader.batch_size=64
  --out FILE               write predictions, or metrics, to this file
  --out-item ITEM          what to write: pred (the default) or metrics
  --amp                    mixed precision, on a GPU
  --tta                    average over flipped images (test-time augmentation)
  --show-dir DIR           save images with what was predicted
  --show                   show them in a window
  --interval N             every N-th image
  --wait-time SECONDS      how long a window shows one
  --no-pin-memory          without pinned memory in the data loaders
  --launcher NAME          none, pytorch, slurm or mpi, for many processes
  --local_rank N           set by torch.distributed.launch

examples:
  mmnkd test my.py work_dirs/my/epoch_100.pth
  mmnkd test my.py best.pth --out metrics.json --out-item metrics

exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted
"""


def main(arguments: Sequence[str]) -> None:
    """Test a checkpoint by a config.

    From then on this process reads checkpoints by mmnkd's loader alone, see
    :func:`mmnkd.cli.files.read_safely`.

    Raises:
        ValueError: ``--out-item`` is given without ``--out``.
        Exception: What a Runner raises.
    """
    read_safely()
    config, args = read_arguments('test', arguments, HELP)
    if args.out_item is not None and args.out is None:
        raise ValueError(
            'Expected --out FILE with --out-item, but got none. Name the file '
            f'for the {args.out_item}.'
        )
    runner = build_runner(config)
    runner.register_hook(LoadedHook('test', args.checkpoint))
    if args.out and args.out_item != 'metrics':
        dump = DumpResults(out_file_path=args.out)
        runner.test_evaluator.metrics.append(dump)
    metrics = runner.test()
    if args.out and args.out_item == 'metrics':
        mmengine.dump(metrics, args.out)
