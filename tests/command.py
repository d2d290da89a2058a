"""Commands of the project, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
    'PYTHONWARNINGS': 'ignore',
}


def run(*command, code=0):
    result = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert result.returncode == code, result.stdout
    return result.stdout


def train(config, *options, code=0):
    return run(sys.executable, 'tools/train.py', config, *options, code=code)
