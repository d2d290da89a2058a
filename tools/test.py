"""Test a checkpoint by a config: ``mmnkd test``, with its options.

python tools/test.py CONFIG CHECKPOINT
"""

import sys

from mmnkd.cli import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
