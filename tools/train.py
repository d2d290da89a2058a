"""Train a model by a config: ``mmnkd train``, with its options.

python tools/train.py configs/demo/nkd_wide_tiny_1xb64_digits.py
"""

import sys

from mmnkd.cli import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
