"""A shipped config as one file, without the others that it inherits."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..diagnosis.dead_keys import bases_in
from .networks import similar
from .published import shipped
from .text import assignments

__all__ = ['standalone']


def standalone(name: str) -> str:
    """Return the text of a shipped config that inherits mmpretrain's only.

    Args:
        name: As ``mmnkd list configs`` has it, or its path.
    """
    known = {card.config.stem: card.config for card in shipped()}
    path = known.get(Path(name).stem if name.endswith('.py') else name)
    if path is None:
        raise ValueError(
            f'Expected a config of `mmnkd list configs`, but got {name!r}.'
            f'{similar(name, list(known))}'
        )
    bases = _foreign_bases(path)
    inherited = Config()
    docstring = ast.get_docstring(_parsed(path), clean=False) or ''
    lines = [f'"""{docstring}"""', '']
    if bases:
        base = repr(bases[0] if len(bases) == 1 else bases)
        inherited = Config.fromstring(f'_base_ = {base}', '.py')
        lines.append(f'_base_ = {base}')
    own = _difference(Config.fromfile(path).to_dict(), inherited.to_dict())
    return '\n'.join([*lines, *assignments(own)]) + '\n'


def _foreign_bases(path: Path) -> list[str]:
    """Follow the bases to those of other packages."""
    found: list[str] = []
    for base in bases_in(_parsed(path)):
        is_own = '::' not in base
        found += _foreign_bases(path.parent / base) if is_own else [base]
    return found


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf8'))


def _difference(new: Mapping, old: Mapping) -> dict[str, Any]:
    """Return what to write over `old`, so that `new` is what it becomes."""
    changed: dict[str, Any] = {}
    if any(key not in new for key in old):
        return {'_delete_': True, **new}
    for key, value in new.items():
        before = old.get(key)
        if value == before and key in old:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            value = _difference(value, before)
        changed[key] = value
    return changed
