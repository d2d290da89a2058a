"""The teacher is the same one on each process."""

from __future__ import annotations

from mmengine.dist import all_gather_object, get_world_size

__all__ = ['check_same_on_ranks']


def check_same_on_ranks(weights_hash: str) -> None:
    """Compare the hash of a network's weights, once, on all processes.

    Raises:
        ValueError: They differ.
    """
    if get_world_size() == 1:
        return
    hashes = all_gather_object(weights_hash)
    if len(set(hashes)) > 1:
        raise ValueError(
            'Expected the same teacher on each process, but got weights with '
            f'the hashes {hashes}, by rank. Give all of them the same '
            'checkpoint; a teacher with random weights needs the same seed.'
        )
