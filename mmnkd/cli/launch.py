"""What ``mmnkd train`` and ``mmnkd test`` have in common.

Their options are those of mmpretrain's own tools, because they are read by
those tools: mmpretrain ships them in its package under ``.mim/tools``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..teacher.source import read_config
from .quiet import QuietRunner

__all__ = ['build_runner', 'join_on_cpu', 'read_arguments']


def read_arguments(
    name: str, arguments: Sequence[str], help_text: str
) -> tuple[Config, argparse.Namespace]:
    """Read the command line as mmpretrain's tool 'train' or 'test' does.

    Returns:
        The config with all arguments merged, and the arguments.

    Raises:
        FileNotFoundError: mmpretrain has no tools, or there is no config.
        ValueError: The config is no Python.
        SystemExit: The arguments are wrong, or ask for help.
    """
    if not {'-h', '--help'}.isdisjoint(arguments):
        print(help_text, end='')
        raise SystemExit(0)
    path = Path(mmpretrain.__file__).parent / '.mim' / 'tools' / f'{name}.py'
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected mmpretrain's tools, but there is no {path}. Install a "
            'released version of mmpretrain, or a clone by: mim install -e .'
        )
    tool = ModuleType(name)
    SourceFileLoader(name, str(path)).exec_module(tool)
    own = sys.argv
    sys.argv = [f'mmnkd {name}', *arguments]  # which the tool reads
    try:
        args = tool.parse_args()
    finally:
        sys.argv = own
    return tool.merge_args(read_config(args.config), args), args


def build_runner(config: Config) -> Runner:
    """Build the Runner, on a machine without a GPU too.

    Its start is quiet, unless the config asks for a class by `runner_type`.

    Raises:
        ValueError: What was asked for needs a GPU, and there is none.
    """
    if not torch.cuda.is_available():
        _prepare_for_cpu(config)
    if 'runner_type' in config:
        return RUNNERS.build(config)
    return QuietRunner.from_cfg(config)


def _prepare_for_cpu(config: Config) -> None:
    optimizer = config.get('optim_wrapper') or {}
    if optimizer.get('type') == 'AmpOptimWrapper':
        raise ValueError(
            'Mixed precision (--amp, AmpOptimWrapper) needs a GPU, and torch '
            f'{torch.__version__} sees none here. Train without it.'
        )
    if config.get('launcher', 'none') == 'none':
        return
    join_on_cpu(config.launcher)
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


def join_on_cpu(launcher: str) -> None:
    """Join the ranks of a job; mmengine would pick the GPU of LOCAL_RANK."""
    if launcher != 'pytorch':
        raise ValueError(
            f'--launcher {launcher} needs GPUs, and torch sees none here. Use '
            '--launcher pytorch (tools/dist_train.sh) on CPUs.'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
