"""Write the student of a training alone, as plain mmpretrain loads it.

    python tools/export_student.py work_dirs/my_student/last.pth student.pth

Parameters of distillation losses, the optimizer's state and the training log
are left out.
"""

import argparse
import sys

from mmnkd.checkpoint import export_student


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', help='path or URL of a checkpoint')
    parser.add_argument('out', help='file to write')
    args = parser.parse_args()
    try:
        export_student(args.checkpoint, args.out)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f'The student is in {args.out}')


if __name__ == '__main__':
    main()
