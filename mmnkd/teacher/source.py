"""What names a model (a file, a name or a dict), and what a config says."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmpretrain.apis import ModelHub, list_models

from ..checkpoint import check_file
from .images import height_and_width

ModelName = Union[str, os.PathLike, dict]


class Source(NamedTuple):
    """Hold what is known of a network before it is built.

    Attributes:
        config: The model dict, with its ``data_preprocessor`` if it has one.
        image_size: (height, width) of the images that it is tested on, None
            where the config doesn't tell.
        loader: The config of the data that it was trained on, if there.
    """

    config: ConfigDict
    image_size: Optional[tuple[int, int]] = None
    loader: Optional[ConfigDict] = None


def read_source(model: ModelName) -> Source:
    """Read a model's config.

    Of a distilled student the plain student is taken.

    Args:
        model: A config file (a path, or ``'mmpretrain::resnet/….py'``), a name
            from mmpretrain's model zoo, or a model dict.
    """
    if isinstance(model, dict):
        if 'type' not in model:
            raise ValueError(
                "Expected a model dict with a 'type', but got the keys "
                f'{sorted(model)}.'
            )
        return Source(_undistilled(ConfigDict(copy.deepcopy(model))))
    if isinstance(model, os.PathLike):
        model = os.fspath(model)
    if not isinstance(model, str):
        raise TypeError(
            'Expected a config file, a name from the model zoo or a model '
            f'dict, but got {type(model).__name__}.'
        )
    config = _read_config(model)
    if 'model' not in config:
        raise ValueError(
            f'Expected a config with a `model`, but {model!r} has '
            f'{sorted(config)}.'
        )
    network = model_of(config)
    network.setdefault('_scope_', config.get('default_scope', 'mmpretrain'))
    loader = config.get('train_dataloader')
    return Source(_undistilled(network), _crop_size(config), loader)


def read_config(name: str) -> Config:
    """Read a config file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no Python.
    """
    check_file('config file', name)
    try:
        return Config.fromfile(name)
    except SyntaxError as error:
        raise ValueError(
            f'Expected Python in {name} and its bases, but got: {error}'
        ) from error


def model_of(config: Config) -> ConfigDict:
    """Return a config's model, with what its Runner would hand to it."""
    if config.get('data_preprocessor') is not None:
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
    return config.model


def check_inheritable(name: str, heir: str) -> None:
    """Expect a config file that a text config, `heir`, can inherit."""
    base = str(Path(name).resolve())
    try:
        Config.fromstring(f'_base_ = {base!r}', '.py')
    except RuntimeError as error:
        raise ValueError(
            f'Expected a config that {heir} can inherit by `_base_`, but '
            f'{name} or a base of it is a pure-Python config. Write it as '
            f'text first, and give that: Config.fromfile({name!r}).dump(...).'
        ) from error


def beside(path: str, file: Path) -> str:
    """Return how one config names another: ``pkg::…`` or a path.

    The path is relative, but for another drive of Windows.
    """
    if '::' in path:
        return path
    try:
        return os.path.relpath(path, file.parent)
    except ValueError:
        return os.path.abspath(path)


def pipeline_of(config: Mapping[str, Any], part: str) -> tuple[list, str]:
    """Return the steps that images go through, and their place in a config.

    Of a data set that wraps others, they are the first one's.

    Args:
        config: A whole config.
        part: train, val or test.

    Returns:
        The steps, and ``'train_dataloader.dataset.pipeline'`` or its like;
        ``([], '')`` for none.
    """
    place = f'{part}_dataloader'
    inner = config.get(place) or {}
    while 'pipeline' not in inner:
        key = 'dataset' if inner.get('dataset') else 'datasets'
        if not inner.get(key):
            return [], ''
        inner, place = inner[key], f'{place}.{key}'
        if key == 'datasets':
            inner, place = inner[0], f'{place}[0]'
    return list(inner['pipeline'] or ()), f'{place}.pipeline'


def training_size(config: Mapping[str, Any]) -> Optional[tuple[int, int]]:
    """Return (height, width) of the training's images, None for not told."""
    for step in reversed(pipeline_of(config, 'train')[0]):
        size = step.get('crop_size') or step.get('size') or step.get('scale')
        pair = size if isinstance(size, (tuple, list)) else (size, size)
        # Of other steps, `scale` is a range.
        if len(pair) == 2 and all(isinstance(n, int) for n in pair):
            return pair[0], pair[1]
    return None


def _crop_size(config: Config) -> Optional[tuple[int, int]]:
    steps = pipeline_of(config, 'test')[0] or config.get('test_pipeline')
    for step in steps or ():
        if step.get('type') == 'CenterCrop':
            return height_and_width(step.crop_size)
    return None


def _undistilled(model: ConfigDict) -> ConfigDict:
    """Leave out what a distilled student needs for its own training."""
    if 'distill_losses' in model:
        model.pop('distill_losses')
        model.pop('teacher', None)
    return model


def find_weights(model: Any) -> Optional[str]:
    """Return the URL of a model's weights in mmpretrain's zoo, if any."""
    if not isinstance(model, (str, os.PathLike)):
        return None
    model = os.fspath(model)
    name = Path(model.split('::')[-1]).stem if _is_file(model) else model
    try:
        return ModelHub.get(name).weights
    except ValueError:
        return None


def _read_config(name: str) -> Config:
    if '::' in name:
        # mmengine would run pip install for a package that isn't there.
        package = name.split('::')[0]
        if not package.isidentifier() or find_spec(package) is None:
            raise ValueError(
                f'Expected an installed package before `::`, but got {name!r}.'
            )
        return get_config(name)
    if _is_file(name):
        return read_config(name)
    try:
        return ModelHub.get(name).config
    except ValueError as error:
        near = difflib.get_close_matches(name, list_models(), n=5)
        raise ValueError(
            'Expected a config file (.py), or a name from the model zoo as '
            f'mmpretrain.list_models() has them, but got {name!r}. Nearest: '
            f'{near}.'
        ) from error


def _is_file(name: str) -> bool:
    return Path(name).suffix in ('.py', '.json', '.yaml', '.yml')
