"""A bar in a terminal, and nothing elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Callable

__all__ = ['check_rich', 'progress']


def check_rich() -> None:
    """Check that there is rich, before time is spent.

    Raises:
        ImportError: There is none.
    """
    try:
        import rich.console  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'the bar needs rich: pip install "mmnkd[demo]"'
        ) from error


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Show how many of `total` rounds are done.

    Yields:
        What to call after each round.
    """
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    console = Console(stderr=True)
    columns = [*Progress.get_default_columns(), TimeElapsedColumn()]
    with Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        auto_refresh=False,  # a thread that draws would disturb the timing
        transient=True,
    ) as bar:
        task = bar.add_task('rounds', total=total)
        yield lambda: bar.update(task, advance=1, refresh=True)
