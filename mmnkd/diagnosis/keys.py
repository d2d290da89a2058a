"""Keys of a config that nothing reads, and what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from .dead_keys import KNOWN_KEYS, find_dead_keys
from .finding import Finding, error

__all__ = ['check_keys']

# What older versions of the stack called it.
_OLD = {
    'checkpoint_config': 'default_hooks.checkpoint',
    'cudnn_benchmark': 'env_cfg.cudnn_benchmark',
    'data': 'train_dataloader',
    'dist_params': 'env_cfg.dist_cfg',
    'evaluation': 'train_cfg.val_interval',
    'fp16': "optim_wrapper.type='AmpOptimWrapper'",
    'gpu_ids': 'CUDA_VISIBLE_DEVICES',
    'log_config': 'default_hooks.logger',
    'lr_config': 'param_scheduler',
    'max_epochs': 'train_cfg.max_epochs',
    'optimizer': 'optim_wrapper.optimizer',
    'optimizer_config': 'optim_wrapper.clip_grad',
    'resume_from': 'load_from and resume=True',
    'runner': 'train_cfg',
    'seed': 'randomness.seed',
    'total_epochs': 'train_cfg.max_epochs',
}
# Parts from which mmengine and mmpretrain take what they know, and no more.
_PARTS = {
    'auto_scale_lr': {'base_batch_size', 'enable'},
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'model.train_cfg': {'augments', 'probs'},
    'optim_wrapper.paramwise_cfg': {
        'bias_decay_mult',
        'bias_lr_mult',
        'bypass_duplicate',
        'custom_keys',
        'dcn_offset_lr_mult',
        'dwconv_decay_mult',
        'flat_decay_mult',
        'layer_decay_rate',
        'norm_decay_mult',
    },
}
# Where a part's reader is named, and the readers that we know: a user's own
# may read more.
_READERS = {
    'model.train_cfg': (
        'model.type',
        {
            'DistilledClassifier',
            'DistilledHuggingFaceClassifier',
            'DistilledTimmClassifier',
            'HuggingFaceClassifier',
            'ImageClassifier',
            'TimmClassifier',
        },
    ),
    'optim_wrapper.paramwise_cfg': (
        'optim_wrapper.constructor',
        {
            'DefaultOptimWrapperConstructor',
            'LearningRateDecayOptimWrapperConstructor',
            'None',  # which is the default
        },
    ),
}


def check_keys(config: Config, options: Iterable[str] = ()) -> list[Finding]:
    """Look for keys that neither mmengine nor mmpretrain reads.

    Args:
        config: What was read of a file and perhaps changed by options.
        options: Keys of these options, dotted.

    Returns:
        ``dead-key``, an error, for all of them together.
    """
    dead = dict(_dead_at_top(config, options))
    for place, known in _PARTS.items():
        part = _get(config, place)
        if place in _READERS and not _is_read_by(config, *_READERS[place]):
            continue
        if isinstance(part, Mapping):
            for key in sorted(part.keys() - known):
                near = _nearest(key, known)
                dead[f'{place}.{key}'] = near and f'{place}.{near}'
    if not dead:
        return []
    told = [
        f'`{key}` (nearest: {near})' if near else f'`{key}`'
        for key, near in dead.items()
    ]
    return error(
        'dead-key',
        'Expected keys that something reads, but nothing reads '
        f'{", ".join(told)}.',
        'Correct them or leave them out. --allow-dead-keys goes on.',
    )


def _is_read_by(config: Config, place: str, known: Collection[str]) -> bool:
    """Tell whether a part's reader is one whose keys are known."""
    kind = _get(config, place)
    return getattr(kind, '__name__', str(kind)).split('.')[-1] in known


def _dead_at_top(
    config: Config, options: Iterable[str]
) -> Iterator[tuple[str, Optional[str]]]:
    """Yield dead keys of the files and of the options, each with what fits."""
    dead: list[str] = []
    if config.filename and Path(config.filename).suffix == '.py':
        dead += chain(*find_dead_keys(config.filename).values())
    # A variable that the file has used already: its option comes too late.
    dead += [option.split('.')[0] for option in options]
    for key in dict.fromkeys(dead):
        if key not in KNOWN_KEYS:
            yield key, _nearest_at_top(key, config)


def _nearest_at_top(key: str, config: Config) -> Optional[str]:
    if key in _OLD:
        return _OLD[key]
    if key.endswith('_pipeline'):
        part = f'{key[: -len("_pipeline")]}_dataloader'
        return f'{part}.dataset.pipeline'
    near = _nearest(key, KNOWN_KEYS)
    return near or _inside(key, config.to_dict())


def _inside(key: str, value: Any, place: str = '') -> Optional[str]:
    """Return the place at which a config has a key further in."""
    if not isinstance(value, Mapping):
        return None
    for name, part in value.items():
        if name == key and place:
            return f'{place}.{name}'
        found = _inside(key, part, f'{place}.{name}' if place else name)
        if found:
            return found
    return None


def _nearest(key: str, known: Collection[str]) -> Optional[str]:
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return near[0] if near else None


def _get(config: Any, place: str) -> Any:
    for name in place.split('.'):
        if not isinstance(config, (Config, Mapping)):
            return None
        config = config.get(name)
    return config
