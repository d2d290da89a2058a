"""Several gloo processes, as torchrun would start them."""

import multiprocessing
import os
import tempfile
import traceback

import torch.distributed


def on_ranks(count, function, *arguments):
    """Call ``function(rank, count, *arguments)`` on each of some processes.

    Returns:
        What each of them returned, by rank.

    Raises:
        AssertionError: One of them raised; with its traceback.
    """
    context = multiprocessing.get_context('fork')
    answers = context.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            context.Process(
                target=_call,
                args=(rank, count, folder, answers, function, arguments),
            )
            for rank in range(count)
        ]
        for process in processes:
            process.start()
        try:
            found = dict(answers.get() for _ in processes)
        finally:
            for process in processes:
                process.join(60)
    failed = [a for a in found.values() if isinstance(a, str)]
    assert not failed, failed[0]
    return [found[rank][0] for rank in range(count)]


def _call(rank, count, folder, answers, function, arguments):
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/meeting',
        rank=rank,
        world_size=count,
    )
    try:
        answer = (function(rank, count, *arguments),)
    except BaseException:
        answer = traceback.format_exc()
    answers.put((rank, answer))
    torch.distributed.destroy_process_group()
    os._exit(0)  # nothing of pytest's at the end
