"""What the tests share: where things are, and one thread."""

import ast
import functools
import gc
import io
import os
import sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent))  # import reference, tiny

import mmengine.config.config
import pytest
from mmengine.fileio import YamlHandler, register_handler
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import CheckpointLoader
from yapf.yapflib.yapf_api import FormatCode

# What tests import holds no tests, and is imported once.
collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob('*.py')
    if not path.name.startswith('test_')
]


@register_handler(['yaml', 'yml'])
class ReadOnce(YamlHandler):
    """Read each text once: a base of mmpretrain needs all its metafiles."""

    def load_from_fileobj(self, file, **kwargs):
        return _read(file.read())


@functools.cache
def _read(text):
    return YamlHandler().load_from_fileobj(io.StringIO(text))


@functools.cache
def _formatted(statement, style):
    return FormatCode(statement, style_config=dict(style))[0]


def format_once(text, style_config, **_):
    """Format each statement once: a Runner's config is mostly another's."""
    lines = text.splitlines(keepends=True)
    starts = [statement.lineno - 1 for statement in ast.parse(text).body]
    style = tuple(style_config.items())
    parts = (
        ''.join(lines[slice(*ab)]) for ab in zip(starts, [*starts[1:], None])
    )
    return ''.join(_formatted(part, style) for part in parts), True


mmengine.config.config.FormatCode = format_once


def pytest_collection_finish():
    """Keep what is imported out of the many collections of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_training_runs():
    """Forget the training of a Runner that a test let fail."""
    MessageHub.get_current_instance().pop_info('loop_stage')


@pytest.fixture(autouse=True)
def own_loaders():
    """Undo what a command in this process does to mmengine's loaders."""
    loaders = dict(CheckpointLoader._schemes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointLoader, '_schemes', loaders)
        yield


@pytest.fixture
def log_text(tmp_path):
    """Return what reads all that mmengine's logger has written."""
    file = tmp_path / 'log.txt'
    name = f'log_{tmp_path.name}'
    MMLogger.get_instance(name, logger_name=name, log_file=str(file))
    return file.read_text


@pytest.fixture
def hugging_face(tmp_path):
    """Make the folder of a tiny transformers model: its config, no weights."""
    transformers = pytest.importorskip('transformers')
    transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=16,
        num_labels=10,
    ).save_pretrained(tmp_path / 'vit')
    return {
        'type': 'HuggingFaceClassifier',
        'model_name': str(tmp_path / 'vit'),
    }
