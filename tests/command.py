"""Commands of the project, run as a user runs them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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


def run(*command, code=0):
    """Return what a command prints."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == code, result.stdout
    return result.stdout


def train(config, *options):
    return run(*MMNKD, 'train', config, *options)
