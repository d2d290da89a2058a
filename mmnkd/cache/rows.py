r"""One stored row a view: all logits, or the top K and what is left.

A dense row is (C,) float16. A top-K row is bytes: the K largest logits, the
target's logit and the log of the remaining mass, :math:`\log \sum_j e^{z_j}`
over all other classes, in float16; then the K classes in as few bits as C
classes need, highest bit first.
"""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
import torch
from torch import Tensor

from ..functional.tensors import target_index

__all__ = ['Rows']

_LARGEST = torch.finfo(torch.float16).max


class Rows:
    """Pack logits into rows, and unpack them.

    Args:
        classes: C.
        topk: K, None for dense rows.
    """

    def __init__(self, classes: int, topk: Optional[int]) -> None:
        self.classes = classes
        self.topk = topk
        self.dtype, self.length = torch.float16, classes
        if topk is not None:
            bits = max(1, (classes - 1).bit_length())
            self._layout = topk, bits  # of the classes
            self._shifts = np.arange(bits - 1, -1, -1)
            self._split = 2 * (topk + 2)
            self.dtype = torch.uint8
            self.length = self._split - (-topk * bits // 8)
        self.bytes = self.length * self.dtype.itemsize
        # About 8 MB.
        self.block_size = max(256, min(8192, 2**23 // self.bytes))

    def pack(self, logits: Tensor, target: Optional[Tensor]) -> Tensor:
        """Return (N, length) rows, on the CPU, of (N, C) logits.

        Raises:
            ValueError: Logits that float16 has not, or no target for top-K.
        """
        if logits.shape[1] != self.classes:
            raise ValueError(
                f'Expected logits of {self.classes} classes, but got '
                f'{logits.shape[1]}.'
            )
        # -inf: a class that the network rules out. NaN doesn't fit.
        fits = (logits.abs() <= _LARGEST) | (logits == -math.inf)
        if not fits.all():
            raise ValueError(
                'Expected logits of the teacher within the range of float16, '
                f'±{_LARGEST:.0f}, but got {logits[~fits][0].item()}. Is its '
                'checkpoint broken?'
            )
        if self.topk is None:
            return logits.half().cpu()
        target = _column(target, len(logits))
        logits = logits.float()
        values, classes = logits.topk(self.topk)
        kept = torch.cat([classes, target], dim=1)
        rest = logits.scatter(1, kept, -math.inf).logsumexp(1, keepdim=True)
        numbers = torch.cat([values, logits.gather(1, target), rest], dim=1)
        return torch.cat(
            [numbers.half().cpu().view(torch.uint8), self._packed(classes)],
            dim=1,
        )

    def unpack(
        self, rows: Tensor, target: Optional[Tensor], device: torch.device
    ) -> Tensor:
        """Return (N, C) float32 logits of (N, length) rows.

        The remaining mass is spread evenly over the other classes.
        """
        if self.topk is None:
            return rows.to(device).float()
        target = _column(target, len(rows)).to(device)
        half = rows[:, : self._split].numpy().copy().view(np.float16)
        numbers = torch.from_numpy(half).to(device).float()
        classes = self._unpacked(rows[:, self._split :]).to(device)
        kept = self.topk + 1 - (classes == target).sum(dim=1, keepdim=True)
        others = (self.classes - kept).clamp(min=1)
        logits = (numbers[:, -1:] - others.log()).repeat(1, self.classes)
        logits.scatter_(1, target, numbers[:, -2:-1])
        return logits.scatter_(1, classes, numbers[:, :-2])

    def _packed(self, classes: Tensor) -> Tensor:
        bits = (classes.cpu().numpy()[:, :, None] >> self._shifts) & 1
        return torch.from_numpy(np.packbits(bits.reshape(len(bits), -1), 1))

    def _unpacked(self, packed: Tensor) -> Tensor:
        count = math.prod(self._layout)
        bits = np.unpackbits(packed.numpy(), axis=1, count=count)
        bits = bits.reshape(-1, *self._layout)
        return torch.from_numpy(bits @ (1 << self._shifts))


def _column(target: Optional[Tensor], count: int) -> Tensor:
    if (
        target is None
        or len(target) != count  # several labels
        or (target.is_cpu and target.min() < 0)  # -100, of a sample without
    ):
        raise ValueError(
            'Expected samples with a label, whose logit top-K rows hold, but '
            'got none. Store all classes (without --topk).'
        )
    return target_index(target)
