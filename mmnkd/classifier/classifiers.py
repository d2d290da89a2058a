"""The classifiers of mmpretrain with the mixin."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODELS
from mmpretrain.models import (
    HuggingFaceClassifier,
    ImageClassifier,
    TimmClassifier,
)

from .mixin import DistillationMixin


class _WrappedNetworkMixin(DistillationMixin):
    """Distill a classifier that keeps another library's network in `model`."""

    logits_tap = 'model'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if 'backbone' in kwargs:
            raise TypeError(
                f'Expected a `model_name` of another library for '
                f'{type(self).__name__}, but got a `backbone`, as an '
                "ImageClassifier has. Write type='DistilledClassifier'."
            )
        super().__init__(*args, **kwargs)
        # As mmpretrain does; the public form is newer than torch 2.1.
        self._register_load_state_dict_pre_hook(_restore_loss_names)


@MODELS.register_module()
class DistilledClassifier(DistillationMixin, ImageClassifier):
    """An ``ImageClassifier`` of mmpretrain that is distilled."""


@MODELS.register_module()
class DistilledTimmClassifier(_WrappedNetworkMixin, TimmClassifier):
    """A ``TimmClassifier`` of mmpretrain that is distilled."""


@MODELS.register_module()
class DistilledHuggingFaceClassifier(
    _WrappedNetworkMixin, HuggingFaceClassifier
):
    """A ``HuggingFaceClassifier`` of mmpretrain that is distilled."""


def _restore_loss_names(state_dict: dict, prefix: str, *args: Any) -> None:
    """Undo what the classifiers with a `model` do to all names on loading.

    They put ``model.`` before every key, those of distillation losses too.
    """
    wrong = f'{prefix}model.distill_losses.'
    for key in [key for key in state_dict if key.startswith(wrong)]:
        name = key[len(wrong) :]
        state_dict[f'{prefix}distill_losses.{name}'] = state_dict.pop(key)
