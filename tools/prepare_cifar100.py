"""Lay out CIFAR-100 as the configs read it, from what you have.

python tools/prepare_cifar100.py cifar-100-python.tar.gz
python tools/prepare_cifar100.py FOLDER   # {train,test}/<class>/<image>
"""

import argparse
from pathlib import Path

from mmnkd.datasets import prepare_cifar100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('source', type=Path, help='archive or folder')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/cifar100'),
        help='where to write cifar-100-python/ (default: data/cifar100)',
    )
    args = parser.parse_args()
    try:
        prepare_cifar100(args.source, args.out)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from error
    print(f'CIFAR-100 is ready in {args.out}.')


if __name__ == '__main__':
    main()
