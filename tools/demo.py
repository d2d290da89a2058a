"""Show distillation on real images in a few minutes: what `make demo` runs."""

import argparse
from pathlib import Path

from mmnkd.cli.demo import run_demo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/demo')
    )
    parser.add_argument(
        '--seeds', type=int, default=6, help='at least 2 (default: 6)'
    )
    parser.add_argument(
        '--epochs', type=int, default=0, help="0 (default): the configs' own"
    )
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error(f'--seeds needs at least 2, but got {args.seeds}')
    configs = Path(__file__).resolve().parents[1] / 'configs' / 'demo'
    try:
        run_demo(configs, args.work_dir, args.seeds, args.epochs)
    except KeyboardInterrupt:
        raise SystemExit('Interrupted. What is done is in the logs.') from None


if __name__ == '__main__':
    main()
