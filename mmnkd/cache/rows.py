r"""One stored row a view: all logits, or the top K and what is left.

A dense row is (C,) float16. A top-K row is bytes: the K largest logits, the
target's logit and the log of the remaining mass, :math:`\log \sum_j e^{z_j}`
over all other classes, in float16; then the K classes in as few bits as C
classes need, highest bit first.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor

__all__ = ['Rows']

_LARGEST = torch.finfo(torch.float16).max


class Rows(NamedTuple):
    """Pack logits into rows, and unpack them.

    Attributes:
        classes: C.
        topk: K, None for dense rows.
    """

    classes: int
    topk: Optional[int]

    @property
    def dtype(self) -> torch.dtype:
        """Return that of stored rows."""
        return torch.float16 if self.topk is None else torch.uint8

    @property
    def length(self) -> int:
        """Return the count of numbers or bytes in a row."""
        if self.topk is None:
            return self.classes
        return 2 * (self.topk + 2) + -(-self.topk * self._bits // 8)

    @property
    def bytes(self) -> int:
        """Return the size of a row."""
        return self.length * (2 if self.topk is None else 1)

    @property
    def block_size(self) -> int:
        """Return how many rows a block should have: 8192, or 8 MB."""
        return max(256, min(8192, 2**23 // self.bytes))

    @property
    def _bits(self) -> int:
        return max(1, (self.classes - 1).bit_length())

    def pack(self, logits: Tensor, target: Optional[Tensor]) -> Tensor:
        """Return (N, length) rows, on the CPU.

        Args:
            logits: (N, C) logits of the teacher.
            target: (N,) classes, which top-K rows need.

        Raises:
            ValueError: Logits that float16 has not, or no target.
        """
        if logits.shape[1] != self.classes:
            raise ValueError(
                f'Expected logits of {self.classes} classes, but got '
                f'{logits.shape[1]}.'
            )
        masked = logits == -math.inf  # classes that the network rules out
        fits = masked | (logits.abs() <= _LARGEST)  # NaN doesn't
        if not fits.all():
            worst = logits[~fits][0].item()
            raise ValueError(
                'Expected logits of the teacher within the range of float16, '
                f'±{_LARGEST:.0f}, but got {worst}. Is its checkpoint broken?'
            )
        if self.topk is None:
            return logits.half().cpu()
        target = _expect_target(target)
        logits = logits.float()
        values, classes = logits.topk(self.topk)
        of_target = logits.gather(1, target[:, None])
        others = logits.scatter(1, classes, -math.inf)
        others = others.scatter(1, target[:, None], -math.inf)
        rest = others.logsumexp(dim=1, keepdim=True)
        numbers = torch.cat([values, of_target, rest], dim=1).half().cpu()
        return torch.cat(
            [numbers.view(torch.uint8), self._pack_classes(classes)], dim=1
        )

    def unpack(
        self, rows: Tensor, target: Optional[Tensor], device: torch.device
    ) -> Tensor:
        """Return (N, C) float32 logits.

        The remaining mass is spread evenly over the other classes.

        Args:
            rows: (N, length), on the CPU.
            target: (N,) classes, for top-K rows.
            device: Where to.
        """
        if self.topk is None:
            return rows.to(device).float()
        target = _expect_target(target)
        split = 2 * (self.topk + 2)
        # Not `.contiguous()`, which leaves one row with its old stride.
        numbers = rows[:, :split].clone(memory_format=torch.contiguous_format)
        numbers = numbers.view(torch.float16)
        values, of_target, rest = (
            numbers.to(device).float().split([self.topk, 1, 1], dim=1)
        )
        classes = self._unpack_classes(rows[:, split:]).to(device)
        target = target[:, None].to(device)
        kept = self.topk + 1 - (classes == target).sum(dim=1, keepdim=True)
        share = rest - (self.classes - kept).clamp(min=1).log()
        logits = share.expand(-1, self.classes).clone()
        return logits.scatter_(1, target, of_target).scatter_(
            1, classes, values
        )

    def _pack_classes(self, classes: Tensor) -> Tensor:
        shifts = np.arange(self._bits - 1, -1, -1)
        bits = (classes.cpu().numpy()[:, :, None] >> shifts) & 1
        flat = bits.astype(np.uint8).reshape(len(bits), -1)
        return torch.from_numpy(np.packbits(flat, axis=1))

    def _unpack_classes(self, packed: Tensor) -> Tensor:
        count = self.topk * self._bits  # type: ignore[operator]
        bits = np.unpackbits(packed.numpy(), axis=1, count=count)
        weights = 1 << np.arange(self._bits - 1, -1, -1)
        classes = bits.reshape(len(bits), -1, self._bits) @ weights
        return torch.from_numpy(classes)


def _expect_target(target: Optional[Tensor]) -> Tensor:
    if target is None:
        raise ValueError(
            'Expected samples with a label, whose logit top-K rows hold, but '
            'got none. Store all classes (without --topk).'
        )
    return target
