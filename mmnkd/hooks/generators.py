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
from torch import Tensor

_numpy: Any = np.random  # whose types know other forms of a state too


@HOOKS.register_module()
class GeneratorsHook(Hook):
    """Save the global generators in checkpoints, and restore them.

    A resumed training then draws the numbers that it would have drawn without
    a stop: masks, dropout, mixing of images. Under an epoch-based loop with
    ``num_workers=0`` so do the transforms of the images. Nothing changes in a
    training that isn't resumed.

    A checkpoint holds the states after the validation that follows, because a
    resumed training skips it: its data loader draws one seed for its workers.
    What a metric draws of its own isn't known beforehand.

    ``mmnkd train`` has this hook; a Runner of your own takes it by
    ``custom_hooks=[dict(type='GeneratorsHook')]``.

    A checkpoint holds the generators of rank 0. Other ranks take the same:
    mmengine seeds them alike, so these are their own where all have drawn as
    often. Under ``diff_rank_seed=True`` other ranks start anew.
    """

    def __init__(self) -> None:
        self._loaded: Optional[dict] = None
        self._validates = False  # since the last step
        self._has_validated = False  # in this training, resumed or not
        self._restarts_workers = False  # those of validation
        self._before_workers: Optional[Tensor] = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the generators' states beside the weights."""
        follows = self._validation_follows(runner, checkpoint['meta'])
        with torch.random.fork_rng(devices=[]):
            if follows and not (_persist(runner) and self._has_validated):
                torch.empty((), dtype=torch.int64).random_()  # as its loader
            checkpoint['generators'] = {
                'has_validated': self._has_validated or follows,
                **_states(),
            }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the states out; a file of a bare Runner has none."""
        self._loaded = checkpoint.get('generators')

    def before_train(self, runner: Runner) -> None:
        """Forget the states where a new training starts from weights."""
        randomness = runner.cfg.get('randomness') or {}
        differ = randomness.get('diff_rank_seed') and get_rank() > 0
        if runner.iter == 0 or differ:
            self._loaded = None
        if self._loaded is not None:
            self._has_validated = self._loaded['has_validated']
            self._restarts_workers = self._has_validated

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
        self._validates = False

    def before_val_epoch(self, runner: Runner) -> None:
        """Remember the state where workers start that would have persisted."""
        if self._restarts_workers and _persist(runner):
            self._before_workers = torch.get_rng_state()
        self._restarts_workers = False
        self._validates = self._has_validated = True

    def before_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Go back to it, once they have their seed."""
        if self._before_workers is not None:
            torch.set_rng_state(self._before_workers)
            self._before_workers = None

    def _validation_follows(self, runner: Runner, meta: dict) -> bool:
        """Tell whether the loop validates next, as mmengine's loops do."""
        if runner.val_loop is None or self._validates:
            return False
        loop: Any = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            done, end = meta['epoch'], loop.max_epochs
        else:
            done, end = meta['iter'], loop.max_iters
        return done >= loop.val_begin and (
            done % loop.val_interval == 0 or done == end
        )

    def _restore(self) -> None:
        if self._loaded is not None:
            _set_states(self._loaded)
            self._loaded = None


def _persist(runner: Runner) -> bool:
    """Tell whether workers of the validation are started only once."""
    return bool(runner.val_dataloader.persistent_workers)


def _states() -> dict[str, Any]:
    """Return the states as plain data, which torch's safe loader takes."""
    kind, keys, *rest = _numpy.get_state()
    return {
        'python': random.getstate(),
        'numpy': (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
        'torch': torch.get_rng_state(),
        # Of the process's own device; asking must not start CUDA.
        'cuda': torch.cuda.get_rng_state()
        if torch.cuda.is_initialized()
        else None,
    }


def _set_states(states: dict[str, Any]) -> None:
    # Tensors of a checkpoint come on the device that a Runner resumes to.
    version, words, following = states['python']
    random.setstate((version, tuple(words), following))
    kind, keys, *rest = states['numpy']
    _numpy.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['torch'].cpu())
    if states['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())
