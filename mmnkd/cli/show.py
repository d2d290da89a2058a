"""``mmnkd show CONFIG``: a shipped config, to copy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..recipes.copies import standalone

__all__ = ['main']

EXAMPLES = """examples:
  mmnkd show nkd_resnet34_resnet18_8xb32_in1k
  mmnkd show tf-nkd_swin-tiny_16xb64_in1k > mine.py

exit codes: 0 done, 1 an error that is told in one line, 2 wrong usage
"""


def main(arguments: Sequence[str]) -> None:
    """Print a config that trains wherever it is put.

    Raises:
        ValueError: There is no such config.
    """
    parser = argparse.ArgumentParser(
        prog='mmnkd show',
        description='Print a shipped config to copy. What it inherits from '
        'others of mmnkd is written out, so that it trains anywhere.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='its name, as in `mmnkd list configs`')
    print(standalone(parser.parse_args(arguments).config), end='')
