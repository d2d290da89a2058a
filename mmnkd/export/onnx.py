"""The student as an ONNX file, compared with PyTorch before it is kept."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.model import BaseModel
from mmpretrain.models.utils import ShiftWindowMSA
from torch import Tensor, nn

from ..classifier.dry_run import input_channels
from ..registry import require
from ..taps import as_logits
from ..teacher.images import Format

__all__ = ['BATCH_SIZES', 'write_onnx']

BATCH_SIZES = (1, 7)  # at which the two are compared
_TOLERANCE = 1e-3  # of the largest logit


def write_onnx(
    network: BaseModel,
    path: Path,
    classes: Optional[list[str]],
    image_size: Optional[tuple[int, int]],
) -> dict[str, Any]:
    """Write a classifier, from normalized images to logits.

    The input ``images`` is (N, channels, height, width) float32, normalized;
    the output ``logits`` (N, classes). N is free. The metadata has
    ``classes``, where the names are known, and ``mean``, ``std`` (for pixels
    from 0 to 255), ``channel_order`` and ``image_size``, each as JSON.

    Args:
        network: A classifier of mmpretrain, in eval mode, on the CPU.
        path: File to write.
        classes: The names of the classes, or None.
        image_size: (height, width) of the images.

    Returns:
        ``differences``: the largest absolute difference of a logit between
        onnxruntime and PyTorch for each of BATCH_SIZES; ``largest_logit``, to
        judge them by; ``image_size``.

    Raises:
        ImportError: A package of the extra ``onnx`` is missing.
        ValueError: There is no image size, the names don't fit the classes,
            the network has an operator that ONNX lacks or takes one batch size
            only, or the two differ. No file is left.
    """
    require('onnx', 'An .onnx file', 'onnx', 'onnxruntime', 'onnxscript')
    if image_size is None:
        raise ValueError(
            'Expected the size of the images, but the test data of the '
            'config has no CenterCrop that tells it. Give --image-size.'
        )
    form = Format.of(network.data_preprocessor)
    images = _images(network, image_size)
    logits = _Logits(network)
    with torch.no_grad():
        expected = logits(images)
    _check_classes(classes, expected.shape[1])
    model = _exported(logits, images[:2])
    _add_metadata(model, form, classes, image_size)
    differences = _differences(model, images, logits)
    largest = float(expected.abs().max())
    if not max(differences.values()) <= _TOLERANCE * max(largest, 1):
        raise ValueError(
            'Expected onnxruntime to give the logits of PyTorch, but they '
            f'differ by up to {max(differences.values()):.2g}, where the '
            f'largest is {largest:.2g}. No file was written; use a .pth.'
        )
    _save(model, path)
    return {
        'differences': differences,
        'largest_logit': largest,
        'image_size': image_size,
    }


class _Logits(nn.Module):
    """Name the input and return logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        output = self.network(images)
        return as_logits(output, self.network, '', 'logits_tap')


def _images(network: nn.Module, size: tuple[int, int]) -> Tensor:
    """Draw as many as are compared, with the channels of the first layer."""
    generator = torch.Generator().manual_seed(0)
    shape = (max(BATCH_SIZES), input_channels(network), *size)
    return torch.randn(shape, generator=generator)


def _check_classes(classes: Optional[list[str]], count: int) -> None:
    if classes is not None and len(classes) != count:
        raise ValueError(
            f'Expected the names of {count} classes, which the network has, '
            f'but the checkpoint has {len(classes)}. Is the config that of '
            'the checkpoint?'
        )


def _exported(logits: nn.Module, images: Tensor) -> Any:
    """Return the ONNX model, for any batch size."""
    any_size = {'images': {0: torch.export.Dim('batch')}}
    try:
        with _quiet(), _images_of_windows():
            program = torch.onnx.export(
                logits,
                (images,),
                input_names=['images'],
                output_names=['logits'],
                dynamic_shapes=any_size,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = ' '.join(str(cause).split())[:200]
        raise ValueError(
            'Expected a network that ONNX can hold, but torch.onnx says: '
            f'{reason}. Replace that operator in the model, or write a .pth.'
        ) from error
    assert program is not None
    model = program.model_proto
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    if not batch.dim_param:
        raise ValueError(
            'Expected a network that takes any number of images, but its '
            f'forward is for {batch.dim_value}. Change what in the model '
            'depends on that number, or write a .pth.'
        )
    return model


@contextlib.contextmanager
def _images_of_windows() -> Iterator[None]:
    """Let mmpretrain's Swin be exported for any batch size.

    It counts images by a division of floats, which torch.export takes for a
    constant: the file would then be for the two images of the export.
    """
    own = ShiftWindowMSA.window_reverse
    ShiftWindowMSA.window_reverse = staticmethod(_window_reverse)
    try:
        yield
    finally:
        ShiftWindowMSA.window_reverse = staticmethod(own)


def _window_reverse(
    windows: Tensor, height: int, width: int, size: int
) -> Tensor:
    """Put windows (N * count, size, size, channels) together to N maps."""
    rows, columns, channels = height // size, width // size, windows.shape[-1]
    x = windows.view(-1, rows, columns, size, size, channels)
    x = x.permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, height, width, channels)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own messages off the terminal."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def _add_metadata(
    model: Any,
    form: Format,
    classes: Optional[list[str]],
    image_size: tuple[int, int],
) -> None:
    from onnx.helper import set_model_props

    told: dict[str, Any] = {
        'mean': [round(value, 4) for value in form.mean.flatten().tolist()],
        'std': [round(value, 4) for value in form.std.flatten().tolist()],
        'channel_order': 'RGB' if form.to_rgb else 'BGR',
        'image_size': image_size,
    }
    if classes is not None:
        told['classes'] = classes
    set_model_props(model, {k: json.dumps(v) for k, v in told.items()})


def _differences(
    model: Any, images: Tensor, logits: nn.Module
) -> dict[int, float]:
    """Run both at each batch size; return the largest difference."""
    from onnxruntime import InferenceSession

    providers = ['CPUExecutionProvider']
    session = InferenceSession(model.SerializeToString(), providers=providers)
    differences = {}
    for size in BATCH_SIZES:
        given = images[:size]
        (output,) = session.run(['logits'], {'images': given.numpy()})
        with torch.no_grad():
            difference = torch.from_numpy(output) - logits(given)
        differences[size] = float(difference.abs().max())
    return differences


def _save(model: Any, path: Path) -> None:
    """Write the file whole or not at all."""
    import onnx

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / path.name
        onnx.save(model, whole)
        whole.rename(path)
