"""The student in a checkpoint of mmnkd, cls_KD or MMRazor, and its file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import torch
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS
from torch import Tensor

from ..checkpoint import (
    classes_in,
    load_strictly,
    read_checkpoint,
    weights_in,
)
from ..teacher.source import read_source

__all__ = ['SUFFIXES', 'Student', 'export_student', 'read_student']

SUFFIXES = ('.pth', '.safetensors', '.onnx')

# How a distiller's file begins the names of its parts: the student's, and
# what it must not be taken for. MMRazor 0.x has a `model.` in between; timm's
# classifiers have one of their own, but none of these parts in it.
_LAYOUTS = {
    'cls_KD': (r'student\.', r'(teacher|distill_losses)\.'),
    'MMRazor': (
        r'architecture\.(model\.(?=(backbone|neck|head)\.))?',
        r'(teacher|distiller|data_preprocessor)\.',
    ),
}


@dataclass(frozen=True)
class Student:
    """Hold what a checkpoint has of the student.

    Attributes:
        weights: By the names of the plain model.
        meta: Plain data that was saved beside them, such as class names.
        origin: 'mmnkd or mmpretrain', 'cls_KD' or 'MMRazor'.
    """

    weights: dict[str, Tensor]
    meta: dict[str, Any]
    origin: str = 'mmnkd or mmpretrain'

    @property
    def classes(self) -> Optional[list[str]]:
        """The names of the classes, None where they weren't saved."""
        return classes_in({'meta': self.meta})


def read_student(source: str, *, ema: bool = True) -> Student:
    """Read the student from a checkpoint.

    Args:
        source: Path or URL of a checkpoint: of mmnkd or mmpretrain, or with a
            teacher inside, of cls_KD (``student.``) or MMRazor
            (``architecture.``).
        ema: Of a training with EMA, take the average, which is what its
            Runner validates; else the weights that were averaged.

    Raises:
        FileNotFoundError, ValueError: As
            :func:`mmnkd.checkpoint.read_state_dict`; or the file has no EMA.
    """
    content = read_checkpoint(source)
    if not ema:
        content = {**content, 'state_dict': _averaged_weights(content, source)}
    weights, origin = _of_plain_model(weights_in(content, source), source)
    return Student(weights, _plain_meta(content), origin)


def export_student(
    source: str,
    target: Union[str, os.PathLike],
    config: Optional[str] = None,
    *,
    ema: bool = True,
    image_size: Optional[tuple[int, int]] = None,
) -> dict[str, Any]:
    """Write the student alone, in the format that the suffix names.

    Left out is what only the training needs: a teacher, the parameters of
    distillation losses, the optimizer's state, and the log, which torch's safe
    loader takes in a process with mmnkd only.

    Args:
        source: Path or URL of a checkpoint, as :func:`read_student` takes.
        target: File to write. ``.pth`` has ``state_dict``, and ``meta`` where
            there is any; ``.safetensors`` the weights, and the classes as
            metadata; ``.onnx`` the network in eval mode, from normalized
            images to logits, for any batch size.
        config: The model's config. The weights must fit it strictly. An
            ``.onnx`` needs it.
        ema: As for :func:`read_student`.
        image_size: (height, width) for an ``.onnx``; by default that of the
            crop in the config's test data.

    Returns:
        What was written: ``origin``, ``tensors`` (their number), ``classes``
        (names or None), and of an ``.onnx`` what
        :func:`mmnkd.export.onnx.write_onnx` returns.

    Raises:
        FileNotFoundError, ValueError: As :func:`read_student`; or the weights
            do not fit the config, or the network can't be an ``.onnx``.
        FileExistsError: There is a file at `target`.
        ImportError: A package of the extra ``onnx`` is missing.
    """
    target = _new_file(target)
    if target.suffix == '.onnx' and config is None:
        raise ValueError(
            'Expected a config for an .onnx file, which holds the network '
            'too, but got none. Give --config.'
        )
    student = read_student(source, ema=ema)
    told = {
        'origin': student.origin,
        'tensors': len(student.weights),
        'classes': student.classes,
    }
    network, size = None, image_size
    if config is not None:
        network, usual_size = _network(config)
        load_strictly(network, student.weights, source)
        size = image_size or usual_size
    target.parent.mkdir(parents=True, exist_ok=True)
    if network is not None and target.suffix == '.onnx':
        from .onnx import write_onnx

        told |= write_onnx(network, target, student.classes, size)
    elif target.suffix == '.safetensors':
        _write_safetensors(student, target)
    else:
        meta = {'meta': student.meta} if student.meta else {}
        torch.save({'state_dict': student.weights, **meta}, target)
    return told


def _new_file(target: Union[str, os.PathLike]) -> Path:
    target = Path(target).expanduser()
    if target.suffix not in SUFFIXES:
        raise ValueError(
            f'Expected a file that ends in {", ".join(SUFFIXES)}, but got '
            f'{str(target)!r}. The suffix chooses the format.'
        )
    if target.exists():
        raise FileExistsError(
            f'Expected no file at {str(target)!r}, but there is one. Name '
            'another, or remove it.'
        )
    return target


def _averaged_weights(content: Any, source: str) -> dict[str, Any]:
    """Return what a training with EMA trained; EMAHook swaps the two."""
    saved: Mapping = {}
    if isinstance(content, Mapping):
        saved = content.get('ema_state_dict') or {}
    if not saved:
        raise ValueError(
            f'Expected {source!r} to be of a training with EMA, but it has no '
            '`ema_state_dict`. Its one set of weights comes without --no-ema.'
        )
    return {k: v for k, v in saved.items() if k.startswith('module.')}


def _of_plain_model(
    weights: dict[str, Tensor], source: str
) -> tuple[dict[str, Tensor], str]:
    """Take the student out of a distiller's weights, and tell whose it is."""
    for origin, (own, others) in _LAYOUTS.items():
        student = {
            re.sub(f'^{own}', '', name): value
            for name, value in weights.items()
            if re.match(own, name)
        }
        if not student:
            continue
        rest = [n for n in weights if not re.match(f'{own}|{others}', n)]
        if rest:
            raise ValueError(
                f'Expected {source!r}, which has a student as {origin} saves '
                f'it, to have no other parts, but got {rest[:3]}. Save the '
                "student's `state_dict` alone, by its plain names."
            )
        return student, origin
    return weights, Student.origin


def _plain_meta(content: Any) -> dict[str, Any]:
    """Keep data that loads anywhere, with the classes by today's name."""
    meta = content.get('meta') if isinstance(content, Mapping) else None
    if not isinstance(meta, Mapping):
        return {}
    kept = {k: v for k, v in meta.items() if _is_plain(v)}
    classes = kept.pop('CLASSES', None)  # of mmcls 0.x
    if classes is not None:
        kept.setdefault('dataset_meta', {'classes': classes})
    return kept


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def _network(config: str) -> tuple[BaseModel, Optional[tuple[int, int]]]:
    """Build the plain model, in eval mode; tell the size of its images."""
    model, size, _ = read_source(config)
    if 'pretrained' in model:  # timm and transformers would download
        model['pretrained'] = False
    return MODELS.build(model).eval(), size


def _write_safetensors(student: Student, target: Path) -> None:
    from safetensors.torch import save_file

    metadata = {'format': 'pt'}
    if student.classes is not None:
        metadata['classes'] = json.dumps(student.classes)
    # A copy each, because the format has no tensors that share memory.
    weights = {
        name: value.clone(memory_format=torch.contiguous_format)
        for name, value in student.weights.items()
    }
    save_file(weights, target, metadata)
