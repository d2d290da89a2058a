"""What a user calls a network: a config, a name of the zoo, timm or a hub."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Optional

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from modelindex.load_model_index import load
from modelindex.models.Model import Model

from ..teacher.source import read_config, training_size

__all__ = ['Network', 'read_network', 'similar']

RUNTIME = 'mmpretrain::_base_/default_runtime.py'
# Data and schedules for networks that come without: those of mmpretrain's
# ResNets and, for networks with layer norms, of its Swin Transformers.
CONVOLUTIONS = (
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    RUNTIME,
)
TRANSFORMERS = (
    'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',
    RUNTIME,
)


class Network(NamedTuple):
    """Hold what is known of a network that a user named.

    Attributes:
        name: What it is called in text.
        bases: The configs that train it: files, or ``'mmpretrain::…'``.
        config: All of them, merged.
        model: Its own keys, of timm and transformers, which have no config.
        classes: How many classes it tells apart, None if that isn't known.
        checkpoint: The URL of its weights in mmpretrain's zoo, if any.
        about: What is known of those weights.
        images: Its mean and std (of 255), where they aren't its configs'.
    """

    name: str
    bases: tuple[str, ...]
    config: Config
    model: dict[str, Any]
    classes: Optional[int]
    checkpoint: Optional[str] = None
    about: str = ''
    images: dict[str, list[float]] = {}

    @property
    def type(self) -> str:
        """The class of the plain model, without mmpretrain's scope."""
        kind = self.model.get('type') or self.config.model.type
        name = kind if isinstance(kind, str) else kind.__name__
        return name.rpartition('.')[2]

    @property
    def image_size(self) -> int:
        """Height and width of its training images, in pixels."""
        return (training_size(self.config) or (224,))[0]


def read_network(name: str) -> Network:
    """Read what a user calls a network.

    Args:
        name: A config file, ``'mmpretrain::resnet/resnet18_8xb32_in1k.py'``,
            a name from mmpretrain's model zoo, ``'timm:NAME'``, or
            ``'hf:NAME'`` for a model or a folder of transformers.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: timm or transformers isn't installed.
        ValueError: There is no such name, or it is no classifier's config.
    """
    if name.startswith('timm:'):
        return _of_timm(name[5:])
    if name.startswith('hf:'):
        return _of_transformers(name[3:])
    if name.endswith('.py'):
        return _of_config(name)
    known = {model.name.lower(): model for model in _zoo()}
    model = known.get(name.lower())
    if model is None:
        raise ValueError(
            'Expected a config (.py), a name from the model zoo, timm:NAME or '
            f'hf:NAME, but got {name!r}.{similar(name, list(known))}'
        )
    return _of_zoo(model)


@lru_cache(maxsize=1)
def _zoo() -> list[Model]:
    """Read the metafiles that mmpretrain carries."""
    index = load(
        str(Path(mmpretrain.__file__).parent / '.mim/model-index.yml')
    )
    index.build_models_with_collections()
    return list(index.models)


def similar(name: str, names: list[str]) -> str:
    """Return a sentence with the names that are most similar, or ''."""
    name = name.lower()
    begin = [other for other in names if name and other.startswith(name)]
    near = difflib.get_close_matches(
        name, begin or names, n=5, cutoff=0.0 if begin else 0.6
    )
    return f' Nearest: {", ".join(near)}.' if near else ''


def _of_zoo(model: Model) -> Network:
    path = 'mmpretrain::' + model.config.split('configs/', 1)[1]
    network = _of_config(path)
    return network._replace(
        name=model.name, checkpoint=model.weights, about=_about(model)
    )


def _about(model: Model) -> str:
    for result in model.results or ():
        top1 = result.metrics.get('Top 1 Accuracy')
        if top1 is not None:
            return f"the model zoo's, top-1 {top1} on {result.dataset}"
    return "the model zoo's"


def _of_config(name: str) -> Network:
    if '::' in name:
        package, _, path = name.partition('::')
        if package != 'mmpretrain':
            raise ValueError(
                f'Expected `mmpretrain::` before a config, but got {name!r}. '
                'Give the path of the file instead.'
            )
        config = get_config(name)
        network = _trained_by(name, config)
        weights = _of_stem(path)
        if weights is not None:
            network = network._replace(
                checkpoint=weights.weights, about=_about(weights)
            )
        return network
    config = read_config(name)
    return _trained_by(str(Path(name).expanduser().resolve()), config)


def _of_stem(path: str) -> Optional[Model]:
    """Find a config in the metafiles; several models may share it."""
    sharing = [m for m in _zoo() if m.config == f'configs/{path}']
    exact = [m for m in sharing if m.name == Path(path).stem]
    found = exact or sharing
    return found[0] if len(found) == 1 else None


def _trained_by(base: str, config: Config) -> Network:
    model = config.get('model') or {}
    if 'type' not in model:
        raise ValueError(
            f'Expected a config of a classifier, but {base!r} has no '
            '`model.type`. Name the config that trains it.'
        )
    classes = next(_values(model.get('head'), 'num_classes'), None)
    if classes is None:
        classes = model.get('num_classes') or model.get('num_labels')
    return Network(Path(base).stem, (base,), config, {}, classes)


def _values(tree: Any, key: str) -> Iterator[Any]:
    if isinstance(tree, Mapping):
        if key in tree:
            yield tree[key]
        for value in tree.values():
            yield from _values(value, key)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from _values(value, key)


def _of_timm(name: str) -> Network:
    timm = _library('timm')
    if not timm.is_model(name):
        near = similar(name, timm.list_models())
        raise ValueError(
            f'Expected a name of timm.list_models(), but got {name!r}.{near}'
        )
    with torch.device('meta'):  # its modules, without its weights
        network = timm.create_model(name)
    facts = network.pretrained_cfg
    made = _from_library(
        f'{name} (timm)',
        {'type': 'TimmClassifier', 'model_name': name},
        network,
        facts.get('num_classes'),
    )
    images = {key: [255 * x for x in facts[key]] for key in ('mean', 'std')}
    own = made.config.data_preprocessor
    given = [*images['mean'], *images['std']]
    if not torch.allclose(
        torch.tensor(given), torch.tensor([*own.mean, *own.std]), 0, 0.01
    ):
        made = made._replace(images=images)
    return made


def _of_transformers(name: str) -> Network:
    transformers = _library('transformers')
    try:
        config = transformers.AutoConfig.from_pretrained(name)
        kind = transformers.AutoModelForImageClassification
        with torch.device('meta'):
            network = kind.from_config(config)
    except (OSError, ValueError) as error:
        reason = ' '.join(str(error).split())
        raise ValueError(
            'Expected an image classifier of transformers, but could not read '
            f'{name!r}: {reason}'
        ) from error
    folder = Path(name).expanduser()
    model = {
        'type': 'HuggingFaceClassifier',
        'model_name': str(folder.resolve()) if folder.is_dir() else name,
    }
    short = Path(name).name
    return _from_library(
        f'{short} (transformers)', model, network, config.num_labels
    )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'Expected {name}, but it can not be imported: {error}. Run: pip '
            f'install {name}'
        ) from error


def _from_library(
    name: str,
    model: dict[str, Any],
    network: Any,
    classes: Optional[int],
) -> Network:
    kinds = {type(module).__name__ for module in network.modules()}
    bases = TRANSFORMERS if 'LayerNorm' in kinds else CONVOLUTIONS
    config = Config()
    for base in bases:
        config.merge_from_dict(get_config(base).to_dict())
    return Network(name, bases, config, model, classes)
