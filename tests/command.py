"""Commands of the project, run as a user runs them."""

import os
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
