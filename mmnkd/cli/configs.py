"""Where the configs lie: beside the package, or within an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ['configs_folder']


def configs_folder() -> Path:
    """Return the folder ``configs`` of a checkout or of an installed wheel.

    Raises:
        FileNotFoundError: There is neither.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / '.mim', package.parent):
        if (root / 'configs' / '_base_').is_dir():
            return root / 'configs'
    raise FileNotFoundError(
        f'Expected configs in {package / ".mim"} or {package.parent}, but '
        'there are none. Install a wheel of mmnkd, or a clone with -e.'
    )
