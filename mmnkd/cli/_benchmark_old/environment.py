"""The hardware and the versions that a result depends on."""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Optional

import torch

from ..version import __version__

__all__ = ['environment']


def environment(device: torch.device) -> dict[str, str]:
    """Return what a reader needs to know about machine and software."""
    facts = {
        'cpu': f'{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()})',
        'cores': str(os.cpu_count()),
        'threads': str(torch.get_num_threads()),
    }
    if device.type == 'cuda':
        facts['gpu'] = torch.cuda.get_device_name(device)
    facts['python'] = platform.python_version()
    facts['torch'] = torch.__version__
    for package in ('mmpretrain', 'timm'):
        version = _version(package)
        if version:
            facts[package] = version
    facts['mmnkd'] = __version__
    commit = _commit(Path(__file__).resolve().parents[2])
    if commit:
        facts['commit'] = commit
    return facts


def _cpu_name() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> Optional[str]:
    try:
        return importlib.import_module(package).__version__
    except ImportError:
        return None


def _commit(root: Path) -> Optional[str]:
    """Return the commit of a checkout, with a + where files were changed."""
    if not (root / '.git').exists():
        return None
    try:
        commit = _git(root, 'rev-parse', '--short=10', 'HEAD')
        changed = _git(root, 'status', '--porcelain', '--', 'mmnkd')
    except (OSError, subprocess.CalledProcessError):
        return None
    return f'{commit}+' if changed else commit


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ['git', '-C', str(root), *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
