"""Config keys that nothing reads: typos, and leftovers of older versions.

mmengine ignores a top-level key that it doesn't know. So a config can train
something else than it says, with ``lr_config`` of mmcls 0.x, or a
``train_pipeline`` that the data loader of the base config never sees.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Iterable, Iterator, Union

from mmengine.runner import Runner

__all__ = ['KNOWN_KEYS', 'bases_in', 'find_dead_keys']

# What Runner, mmengine's Config and the tools read beside the arguments of
# Runner.__init__.
_OTHER_KEYS = {
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
}
KNOWN_KEYS = {*inspect.signature(Runner.__init__).parameters, *_OTHER_KEYS}


def find_dead_keys(config_file: Union[str, Path]) -> dict[str, list[str]]:
    """Find the top-level keys that neither mmengine nor the config reads.

    A key is alive if mmengine's Runner reads it, if its own file uses it as a
    variable, or if a config that inherits it uses ``_base_.key``. Files of the
    package in which a ``package::`` base lies are taken as they are.

    Args:
        config_file: A config in Python; its local bases are looked at too.

    Returns:
        The dead keys by file, only files that have some.

    Raises:
        FileNotFoundError: The config or one of its bases isn't there.
        ValueError: It is no Python file.
    """
    dead = {}
    wanted_by_heirs: set[str] = set()
    for path in _with_bases(Path(config_file)):
        text = path.read_text(encoding='utf8')
        tree = _parse(path, text)
        used = _names_read(tree) | wanted_by_heirs
        found = [
            key
            for key in _keys_assigned(tree)
            if key not in KNOWN_KEYS and key not in used
        ]
        if found:
            dead[str(path)] = found
        wanted_by_heirs |= set(re.findall(r'_base_\.(\w+)', text))
    return dead


def _parse(path: Path, text: str) -> ast.Module:
    if path.suffix != '.py':
        raise ValueError(f'Expected a Python config, but got {str(path)!r}.')
    # mmengine's {{ variables }} are no Python.
    return ast.parse(re.sub(r'\{\{.*?\}\}', '0', text))


def _with_bases(path: Path) -> Iterator[Path]:
    """Yield a config, then its local bases, theirs, and so on."""
    yield path
    tree = _parse(path, path.read_text(encoding='utf8'))
    for base in bases_in(tree):
        if '::' not in base and base.endswith('.py'):
            yield from _with_bases(path.parent / base)


def bases_in(tree: ast.Module) -> Iterable[str]:
    """Return what a config inherits, as `_base_` in it says."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and '_base_' in _targets(node):
            # mmengine evaluates it, too, when it reads the config.
            expression = ast.Expression(node.value)
            bases = eval(compile(expression, '_base_', 'eval'), {})
            return [bases] if isinstance(bases, str) else bases
    return []


def _keys_assigned(tree: ast.Module) -> list[str]:
    """Return the keys that a file adds to its config."""
    keys = [
        name
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for name in _targets(node)
    ]
    return [key for key in dict.fromkeys(keys) if not key.startswith('_')]


def _targets(node: Union[ast.Assign, ast.AnnAssign]) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [
        name.id
        for target in targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    ]


def _names_read(tree: ast.Module) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
