"""A page of the docs as a story: its blocks run in order, in one folder.

=====================  =====================================================
a block of             does
=====================  =====================================================
python, with a title   writes the file that the title names
python                 runs; names stay for the page's later blocks
diff                   writes the file of its new side
shell                  runs in bash, and stops at the first error
text                   was printed last: its lines in this order, maybe with
                       others between ("…" stands for anything in a line)
any other language     is not looked at
=====================  =====================================================

Comments in HTML, which no reader sees, tell more:

``<!-- hidden COMMANDS -->``
    shell commands that prepare what the reader has: data, a checkpoint.
``<!-- not run: REASON -->``
    The next block is not run.
``<!-- slow: REASON -->``
    This and all later blocks of the page are run in the slow tier alone.

URLs of checkpoints become files in the folder ``zoo``, as no test downloads.
Pages that begin with the demo share one run of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from markdown_it import MarkdownIt
from mmengine.config import Config

from mmnkd.classifier.losses import LossDict

ROOT = Path(__file__).parents[2]
CHECKPOINT = re.compile(r"https?://[^\s'\"]*/([^\s'\"/]+\.pth)")
DEMO = 'mmnkd demo --seeds 3\n'
LANGUAGES = ('diff', 'python', 'shell', 'text')


class Block(NamedTuple):
    """What a test does with a part of a page."""

    kind: str
    title: str
    text: str
    line: int


def blocks_of(page: Path, *, slow: bool) -> Iterator[Block]:
    """Yield the blocks of a page that are run in this tier."""
    skipped = False
    for token in MarkdownIt().parse(page.read_text(encoding='utf-8')):
        line = token.map[0] + 1 if token.map else 0
        if token.type == 'html_block':
            comment = token.content.strip()
            if comment.startswith('<!-- hidden'):
                text = comment.removeprefix('<!-- hidden').removesuffix('-->')
                yield Block('shell', '', text, line)
            elif comment.startswith('<!-- slow:') and not slow:
                return
            skipped = skipped or comment.startswith('<!-- not run:')
        elif token.type == 'fence':
            language, _, rest = token.info.partition(' ')
            title = re.search(r'title="([^"]+)"', rest)
            if language in LANGUAGES and not skipped:
                text = CHECKPOINT.sub(r'zoo/\1', token.content)
                yield Block(language, title[1] if title else '', text, line)
            skipped = False


def has_slow_part(page: Path) -> bool:
    """Tell whether a page has blocks for the slow tier."""
    return '<!-- slow:' in page.read_text(encoding='utf-8')


class Story:
    """Run blocks one after the other, as a reader would.

    Args:
        folder: Where the reader is.
        shared: Where stories share the demo.
    """

    def __init__(self, folder: Path, shared: Path) -> None:
        self.folder = folder
        self.shared = shared
        self.names: dict = {'__name__': 'story'}
        self.printed = ''
        for name in ('configs', 'docs', 'examples', 'tools'):
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)

    def run(self, block: Block) -> None:
        """Do what a block asks for; an error names its line."""
        try:
            self._run(block)
        except Exception as error:
            raise AssertionError(
                f'The {block.kind} block at line {block.line}: {error}'
            ) from error

    def _run(self, block: Block) -> None:
        if block.title or block.kind == 'diff':
            text = block.text
            if block.kind == 'diff':
                text = _new_side(text)
            path = self.folder / (block.title or 'config.py')
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
            if '_base_ =' in text:
                _check_model(dict(Config.fromfile(path)))
        elif block.kind == 'python':
            self._run_python(block.text)
        elif block.text == DEMO:
            self._take_demo()
        elif block.kind == 'shell':
            self._run_shell(block.text)
        elif block.kind == 'text':
            assert _excerpt(block.text).search(self.printed), (
                f'Expected\n{block.text}\nbut got\n{self.printed[-3000:]}'
            )

    def _take_demo(self) -> None:
        with FileLock(self.shared / 'demo.lock'):
            folder = self.shared / 'demo'
            if not (folder / 'done').exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                Story(folder, self.shared)._run_shell(f'{DEMO}touch done')
        shutil.copytree(folder / 'work_dirs', self.folder / 'work_dirs')

    def _run_python(self, text: str) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, 'a block of the page', 'exec'), self.names)
        self.printed = printed.getvalue()
        _check_model(self.names)

    def _run_shell(self, text: str) -> None:
        result = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', text],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = result.stdout
        assert result.returncode == 0, f'{text}\n{result.stdout[-3000:]}'


def _excerpt(text: str) -> re.Pattern[str]:
    """Return what matches a text with these lines in this order."""
    lines = [
        r'\s+'.join(re.escape(word) for word in line.split())
        for line in text.splitlines()
    ]
    pattern = '(?s:.*?)'.join(lines)
    return re.compile(pattern.replace('…', '.*?'))


def _check_model(names: dict) -> None:
    """Build the losses of a config, or of a part of one."""
    model = names.get('model')
    if isinstance(model, dict) and 'distill_losses' in model:
        LossDict(model['distill_losses'])


def _new_side(diff: str) -> str:
    lines = diff.splitlines()
    return '\n'.join(line[1:] for line in lines if line[:1] != '-') + '\n'


def environment() -> dict[str, str]:
    """Return what a command of the docs runs in."""
    return {
        **os.environ,
        'COLUMNS': '100',
        'OMP_NUM_THREADS': '1',
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        'PYTHONPATH': os.pathsep.join(
            part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part
        ),
        'PYTHONWARNINGS': 'ignore',
        'ROOT': str(ROOT),
        'TESTS': str(Path(__file__).parent),
    }
