"""``mmnkd list``: the losses, configs and data sets that there are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmengine.registry import DATASETS, MODELS, Registry
from rich.console import Console
from rich.table import Table

from ..recipes.published import losses, shipped

__all__ = ['WHAT', 'listed', 'main']

EXAMPLES = """examples:
  mmnkd list
  mmnkd list configs | grep cifar100

exit codes: 0 done, 1 an error that is told in one line, 2 wrong usage
"""
WHAT = {
    'losses': ['loss', 'what it is'],
    'configs': ['config', 'networks', 'data', 'top-1 (%)'],
    'datasets': ['data set', 'what it is'],
}


def main(arguments: Sequence[str]) -> None:
    """Print what there is, a line each."""
    parser = argparse.ArgumentParser(
        prog='mmnkd list',
        description='Print what there is, a line each.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('what', nargs='?', choices=list(WHAT), help='all')
    args = parser.parse_args(arguments)
    # A file or a pipe gets whole lines.
    console = Console(width=None if sys.stdout.isatty() else 200)
    for what in [args.what] if args.what else WHAT:
        table = Table(box=None, pad_edge=False)
        for number, name in enumerate(WHAT[what]):
            # The first is there to be copied whole.
            table.add_column(name, no_wrap=number == 0, overflow='fold')
        for row in listed(what):
            table.add_row(*row)
        console.print(table)
        if what == 'losses':
            console.print(f' mmnkd distill --loss: {", ".join(losses())}')
        console.print()


def listed(what: str) -> list[list[str]]:
    """Return rows of text.

    Args:
        what: 'losses', 'configs' or 'datasets'; their columns are in `WHAT`.

    Raises:
        KeyError: It is none of these.
    """
    ways = {
        'losses': lambda: _registered(MODELS, 'mmnkd.losses.'),
        'datasets': lambda: _registered(DATASETS, 'mmnkd.'),
        'configs': _configs,
    }
    return ways[what]()


def _registered(registry: Registry, place: str) -> list[list[str]]:
    return [
        [name, (kind.__doc__ or '').partition('\n')[0].replace('``', '')]
        for name, kind in sorted(registry.module_dict.items())
        if kind.__module__.startswith(place)
    ]


def _configs() -> list[list[str]]:
    return [
        [
            card.config.stem,
            ' from '.join(
                card.facts[key]
                for key in ('Student', 'Teacher')
                if key in card.facts
            ),
            card.facts.get('Training Data', ''),
            ', '.join(f'{top1}' for top1 in card.results.values()),
        ]
        for card in shipped()
    ]
