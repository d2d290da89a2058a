"""Builds what a training would build, and turns what fails into findings."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional, TypeVar

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmpretrain.registry import MODELS
from torch import nn

from ..teacher.source import model_of
from .finding import Finding
from .report import Report

__all__ = ['Attempts', 'build_model', 'quiet']

Result = TypeVar('Result')


class Attempts:
    """Try the stages of a training's start, and note those that fail.

    Args:
        report: Gets an error as a finding.
        advise: Returns what to do about an error, '' if it doesn't know.
    """

    def __init__(
        self,
        report: Report,
        advise: Callable[[BaseException], str] = lambda error: '',
    ) -> None:
        self.report = report
        self.advise = advise

    def __call__(
        self, name: str, fix: str, call: Callable[[], Result]
    ) -> Optional[Result]:
        """Return what a call returns, or None after an error.

        Args:
            name: Of the finding.
            fix: What to do, where neither the error nor `advise` says it.
            call: A stage; it may raise anything.
        """
        try:
            return call()
        except Exception as error:
            is_key = isinstance(error, KeyError) and error.args
            text = error.args[0] if is_key else error
            message = ' '.join(str(text).split())
            is_ours = message.startswith(('Expected ', 'In `'))
            if not is_ours:
                message = f'{type(error).__name__}: {message}'
                fix = self.advise(error) or fix
            todo = '' if is_ours else fix
            self.report.add([Finding(name, 'error', message, todo)])
            return None


def build_model(config: Config, device: str) -> nn.Module:
    """Build the model as a Runner does, its teacher too."""
    network = MODELS.build(model_of(copy.deepcopy(config)))
    network.init_weights()
    if hasattr(network, 'first_step'):
        network.first_step.is_due = False  # the doctor looks for itself
    if device == 'cpu':
        network = revert_sync_batchnorm(network)
    return network.to(device)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the stack says while networks are built to itself."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
