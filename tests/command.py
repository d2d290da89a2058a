"""Commands of the project, run as a user runs them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from mmnkd.cli import main

ROOT = Path(__file__).parents[1]
MMNKD = [sys.executable, '-m', 'mmnkd']
ENVIRONMENT = {
    **os.environ,
    'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
    'PYTHONWARNINGS': 'ignore',
    'COLUMNS': '200',
}


def listen_to_interrupts():
    """Undo what a shell does to its background jobs: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(*command, code=0, cwd=ROOT):
    """Return what a command prints."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**ENVIRONMENT, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == code, result.stdout
    return result.stdout


def fork(output, *arguments, cwd=ROOT):
    """Start ``mmnkd`` in a fork of this process, and return that.

    A new process takes seconds to import the stack.
    """
    given = output.fileno(), cwd, [str(part) for part in arguments]
    context = multiprocessing.get_context('fork')
    process = context.Process(target=_main, args=given)
    process.start()
    return process


def forked(*arguments, code=0, cwd=ROOT):
    """Return what ``mmnkd`` prints in a process of its own."""
    if torch.cuda.is_available():  # which a fork can't use
        return run(*MMNKD, *arguments, code=code, cwd=cwd)
    with tempfile.TemporaryFile('w+') as printed:
        process = fork(printed, *arguments, cwd=cwd)
        process.join()
        printed.seek(0)
        output = printed.read()
    assert process.exitcode == code, output
    return output


def _main(output, cwd, arguments):
    for number in (1, 2):
        os.dup2(output, number)
    sys.stdout, sys.stderr = os.fdopen(1, 'w', 1), os.fdopen(2, 'w', 1)
    os.environ.update(ENVIRONMENT)
    os.chdir(cwd)
    sys.exit(main(arguments))


def train(config, *options):
    return forked('train', config, *options)
