"""Broken and hostile files, and what happens to a process that reads one."""

import contextlib
import io
import multiprocessing
import os
import pickle
import resource
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tiny
import torch
from mmengine.logging import HistoryBuffer


class Reduced:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def runs_code(path, mark):
    torch.save({'state_dict': Reduced(Path.touch, mark)}, path)


def runs_code_in_old_format(path, mark):
    content = {'state_dict': Reduced(Path.touch, mark)}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def runs_code_in_the_log(path, mark):
    log = [HistoryBuffer([1.0], [1]), Reduced(Path.touch, mark)]
    training(path, message_hub={'log_scalars': log})


def runs_code_by_getattr(path, mark):
    """Reach `eval` by what OneDL's safe list allows, as a real attack does."""

    def name(module, attribute):
        return f'c{module}\n{attribute}\n'.encode()

    def text(value):
        return b'X' + len(value).to_bytes(4, 'little') + value.encode()

    get = name('builtins', 'getattr')
    builtins = get + get + text('__self__') + b'\x86R'
    evaluate = get + builtins + text('eval') + b'\x86R'
    buffer = name('mmengine.logging.history_buffer', 'HistoryBuffer')
    made = buffer + b')\x81}' + text('__setstate__') + evaluate + b'sb'
    code = text(f'open({str(mark)!r}, "w").close()')
    with_pickle(path, b'\x80\x02' + made + code + b'b.')


def torchscript(path, mark):
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)


def zip_bomb(path, mark):
    torch.save({'state_dict': {'a': torch.zeros(2**24)}}, path)
    rewritten(path, {}, zipfile.ZIP_DEFLATED)


def numpy_bomb(path, mark):
    array = Reduced(np.ndarray, (3 * 10**12,), np.dtype('u1'))
    with_pickle(path, pickle.dumps({'state_dict': {'a': array}}, 2))


def bytearray_bomb(path, mark):
    many = Reduced(bytearray, 3 * 10**9)
    with_pickle(path, pickle.dumps({'state_dict': {'a': many}}, 2))


def safetensors_header_of_10_gb(path, mark):
    path.write_bytes((10 * 10**9).to_bytes(8, 'little') + b'{"a": ')


def html(path, mark):
    path.write_text('<!DOCTYPE html><title>404 Not Found</title>')


def empty(path, mark):
    path.touch()


def truncated(path, mark, share=0.5):
    training(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def bit_flipped(path, mark):
    training(path)
    content = bytearray(path.read_bytes())
    content[2 * len(content) // 3] ^= 16
    path.write_bytes(content)


def folder(path, mark):
    path.mkdir()


def other_network(path, mark):
    training(path, state_dict=tiny.build(tiny.vit()).state_dict())


def no_weights(path, mark):
    torch.save([1, 2, 3], path)


def storage_beyond_the_file(path, mark):
    training(path)
    with zipfile.ZipFile(path) as archive:
        storages = [n for n in archive.namelist() if '/data/' in n]
    rewritten(path, dict.fromkeys(storages, bytes(4)))


FEW = [
    runs_code,
    runs_code_by_getattr,
    zip_bomb,
    numpy_bomb,
    bytearray_bomb,
    safetensors_header_of_10_gb,
    html,
    truncated,
    bit_flipped,
    other_network,
]
MANY = [
    *FEW,
    runs_code_in_old_format,
    runs_code_in_the_log,
    torchscript,
    empty,
    folder,
    no_weights,
    storage_beyond_the_file,
]


def training(path, **parts):
    """Save what looks like a Runner's checkpoint."""
    content = {
        'meta': {'epoch': 1, 'iter': 3},
        'message_hub': {},
        'state_dict': tiny.build(tiny.resnet()).state_dict(),
    }
    torch.save({**content, **parts}, path)


def with_pickle(path, pickled):
    torch.save({'a': 1}, path)
    rewritten(path, {'data.pkl': pickled})


def rewritten(path, parts, compression=zipfile.ZIP_STORED):
    """Write an archive again, with other contents of some parts."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in old.items():
            end = name if name in parts else name.rpartition('/')[2]
            archive.writestr(name, parts.get(end, content))


class Outcome(NamedTuple):
    """What became of a call."""

    result: object  # what was returned, or the exception
    printed: str  # the last line on stderr
    seconds: float
    megabytes: float  # that the process grew by


def outcome(call):
    """Call a function in a process of its own, without the imports."""
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, call))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        return Outcome(f'exit code {process.exitcode}', '', 0.0, 0.0)
    finally:
        process.join()


def _run(pipe, call):
    errors = io.StringIO()
    begin, before = time.perf_counter(), peak()
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, contextlib.redirect_stderr(errors):
        try:
            result = call()
        except BaseException as error:
            result = f'{type(error).__name__}: {error}'
    seconds = time.perf_counter() - begin
    last = (errors.getvalue().splitlines() or [''])[-1]
    pipe.send(Outcome(result, last, seconds, (peak() - before) / 1024))
    pipe.close()
    os._exit(0)  # nothing of pytest's at the end


def peak():
    """Return the most memory that this process had, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def pickle_in(path):
    with zipfile.ZipFile(path) as archive:
        (inside,) = (n for n in archive.namelist() if n.endswith('data.pkl'))
        return archive.read(inside)


def unpickle(path):
    """Read a file as a careless loader does."""
    with contextlib.suppress(Exception):
        pickle.loads(pickle_in(path))
