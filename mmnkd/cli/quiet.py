"""A Runner whose terminal is quiet at the start; its log file has it all."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

__all__ = ['QuietRunner']

# How the messages begin that fill a screen, or that mmengine sends to itself.
LONG = ('System environment:', 'Config:', 'Hooks will be executed')
OF_MMENGINE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the')


class QuietRunner(Runner):
    """A Runner that keeps config, hooks and environment off the terminal."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build mmengine's logger, and keep long messages off the terminal."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_the_terminal)
        logger.info(f'Config, hooks and environment are in {logger.log_file}')
        return logger


def _is_for_the_terminal(record: logging.LogRecord) -> bool:
    return not record.getMessage().lstrip('\n-').startswith(LONG + OF_MMENGINE)
