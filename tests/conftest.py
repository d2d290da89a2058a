"""What the tests share: where things are, and one thread."""

import os
import sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))  # import reference, tiny

import pytest
from mmengine.logging import MMLogger


@pytest.fixture
def log_text(tmp_path):
    """Return what reads all that mmengine's logger has written."""
    file = tmp_path / 'log.txt'
    name = f'log_{tmp_path.name}'
    MMLogger.get_instance(name, logger_name=name, log_file=str(file))
    return file.read_text
