"""Random numbers that go on, after a resume, where the checkpoint was."""

from __future__ import annotations

import random
from typing import Any, Optional

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

__all__ = ['GeneratorsHook']

_numpy: Any = np.random  # whose types know other forms of a state too


@HOOKS.register_module()
class GeneratorsHook(Hook):
    """Save the global generators in checkpoints, and restore them.

    A resumed training then draws the numbers that it would have drawn without
    a stop: masks, dropout, mixing of images. Under an epoch-based loop with
    ``num_workers=0`` so do the transforms of the images. Validation leaves the
    generators as they were, because a resumed training skips it.

    ``mmnkd train`` has this hook; a Runner of your own takes it by
    ``custom_hooks=[dict(type='GeneratorsHook')]``.

    A checkpoint holds the generators of rank 0. Other ranks take the same,
    as mmengine seeds them alike, but not under ``diff_rank_seed=True``.
    """

    def __init__(self) -> None:
        self._loaded: Optional[dict] = None
        self._before_val: Optional[dict] = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the generators' states beside the weights."""
        checkpoint['generators'] = _states()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the states out; a file of a bare Runner has none."""
        self._loaded = checkpoint.get('generators')

    def before_train(self, runner: Runner) -> None:
        """Forget the states where a new training starts from weights."""
        randomness = runner.cfg.get('randomness') or {}
        differ = randomness.get('diff_rank_seed') and get_rank() > 0
        if runner.iter == 0 or differ:
            self._loaded = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Restore, where the epoch's images are drawn from now on."""
        # Workers that persist were started in the first epoch, and drew from
        # the generators then; a resumed training starts them now.
        persistent = runner.train_dataloader.persistent_workers
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        if by_epoch and not persistent:
            self._restore()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Restore before the first step, where it wasn't done before."""
        self._restore()

    def before_val_epoch(self, runner: Runner) -> None:
        """Remember the states."""
        self._before_val = _states()

    def after_val_epoch(
        self, runner: Runner, metrics: Optional[dict] = None
    ) -> None:
        """Go back to them."""
        if self._before_val is not None:
            _set_states(self._before_val)

    def _restore(self) -> None:
        if self._loaded is not None:
            _set_states(self._loaded)
            self._loaded = None


def _states() -> dict[str, Any]:
    """Return the states as plain data, which torch's safe loader takes."""
    kind, keys, *rest = _numpy.get_state()
    return {
        'python': random.getstate(),
        'numpy': (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
        'torch': torch.get_rng_state(),
        'cuda': torch.cuda.get_rng_state_all(),
    }


def _set_states(states: dict[str, Any]) -> None:
    # Tensors of a checkpoint come on the device that a Runner resumes to.
    version, words, following = states['python']
    random.setstate((version, tuple(words), following))
    kind, keys, *rest = states['numpy']
    _numpy.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['torch'].cpu())
    if len(states['cuda']) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([s.cpu() for s in states['cuda']])
