"""Test a checkpoint by a config, with the options of mmpretrain's test.py.

    python tools/test.py CONFIG CHECKPOINT

A distilled config needs no teacher file here.
"""

import mmengine
from mmengine.config import Config
from mmengine.evaluator import DumpResults

from mmnkd.cli.launch import build_runner, mmpretrain_tool


def main() -> None:
    tool = mmpretrain_tool('test')
    args = tool.parse_args()
    if args.out_item is not None and args.out is None:
        raise SystemExit('--out-item says what to write: give --out as well.')
    config = tool.merge_args(Config.fromfile(args.config), args)
    runner = build_runner(config)
    if args.out and args.out_item != 'metrics':
        dump = DumpResults(out_file_path=args.out)
        runner.test_evaluator.metrics.append(dump)
    metrics = runner.test()
    if args.out and args.out_item == 'metrics':
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    main()
