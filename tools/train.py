"""Train a model by a config, with the options of mmpretrain's tools/train.py.

    python tools/train.py configs/demo/nkd_wide_tiny_1xb64_digits.py

An interrupted training goes on with the same command and ``--resume``.
"""

import sys

from mmengine.config import Config

from mmnkd.cli.launch import build_runner, mmpretrain_tool


def main() -> None:
    tool = mmpretrain_tool('train')
    args = tool.parse_args()
    config = tool.merge_args(Config.fromfile(args.config), args)
    runner = build_runner(config)
    try:
        runner.train()
    except KeyboardInterrupt:
        runner.logger.warning(
            f'Interrupted. Checkpoints are in {runner.work_dir}; to go on '
            'from the last one, run the same command with --resume.'
        )
        sys.exit(130)


if __name__ == '__main__':
    main()
