"""Statistics of a batch that lies on several processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def check_scope(batch: str) -> None:
    """Expect one of the two scopes of a batch."""
    if batch not in ('local', 'global'):
        raise ValueError(
            "Expected `batch` to be 'local' (of each process) or 'global' (of "
            f'all processes together), but got {batch!r}.'
        )


def summed(value: Tensor, batch: str) -> Tensor:
    """Sum a value without a gradient over processes, if `batch` is global."""
    if batch == 'global' and _are_several():
        value = value.clone()
        dist.all_reduce(value)
    return value


def gathered(rows: Tensor, batch: str) -> Tensor:
    """Return the rows (N, ...) of all processes, if `batch` is global.

    Only this process's have a gradient. It is multiplied by the number of
    processes, because data parallelism divides their sum by it.
    """
    if batch == 'local' or not _are_several():
        return rows
    own = rows.detach()
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own.contiguous())
    parts[dist.get_rank()] = own + len(parts) * (rows - own)
    return torch.cat(parts)


def _are_several() -> bool:
    return (
        dist.is_available()
        and dist.is_initialized()
        and dist.get_world_size() > 1
    )
