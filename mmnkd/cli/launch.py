"""What tools/train.py and tools/test.py have in common.

Their options are those of mmpretrain's own tools, because they are read by
those tools: mmpretrain ships them in its package under ``.mim/tools``.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

__all__ = ['build_runner', 'mmpretrain_tool']


def mmpretrain_tool(name: str) -> ModuleType:
    """Import one of mmpretrain's tools, for its `parse_args`, `merge_args`."""
    path = Path(mmpretrain.__file__).parent / '.mim' / 'tools' / f'{name}.py'
    if not path.is_file():
        raise SystemExit(
            f'mmpretrain is installed without its tools: there is no {path}. '
            'Install a released version (pip install mmpretrain), or a clone '
            'of it with: mim install -e .'
        )
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def build_runner(config: Config) -> Runner:
    """Build the Runner, on a machine without a GPU too.

    Args:
        config: With ``launcher`` and all other arguments merged.

    Raises:
        SystemExit: ``--amp`` was asked for where there is no GPU.
    """
    if not torch.cuda.is_available():
        _prepare_for_cpu(config)
    if 'runner_type' in config:
        return RUNNERS.build(config)
    return Runner.from_cfg(config)


def _prepare_for_cpu(config: Config) -> None:
    if config.get('optim_wrapper', {}).get('type') == 'AmpOptimWrapper':
        raise SystemExit(
            'mixed precision (--amp, AmpOptimWrapper) needs a GPU, and torch '
            f'{torch.__version__} sees none here. Train without it.'
        )
    if config.get('launcher', 'none') == 'none':
        return
    # mmengine would pick NCCL and the GPU of LOCAL_RANK.
    if config.launcher != 'pytorch':
        raise SystemExit(
            f'--launcher {config.launcher} needs GPUs, and torch sees none '
            'here. Use --launcher pytorch (tools/dist_train.sh) on CPUs.'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = {
        'type': 'MMDistributedDataParallel',
        'device_ids': None,
        'broadcast_buffers': False,
        **(config.get('model_wrapper_cfg') or {}),
    }
    unused = config.pop('find_unused_parameters', None)
    if unused is not None:
        wrapper.setdefault('find_unused_parameters', unused)
    config.model_wrapper_cfg = wrapper
