"""What the site has beside the pages of docs/: other files, equations.

A link to a file outside ``docs/`` (a config, a test, CONTRIBUTING.md) works on
GitHub. For the site, each such file becomes a page of its own, which the
search leaves out. Equations become MathML, so that no script draws them.
"""

from __future__ import annotations

import posixpath
import re
from html import unescape
from pathlib import Path

from math_core import LatexToMathML
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
FRONT = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
}
LINK = re.compile(r'(?<=\]\()(?!https?:|mailto:|#)[^()\s#]+')
MATH = re.compile(
    r'<(span|div) class="arithmatex">\\[(\[](.+?)\\[)\]]</\1>', re.DOTALL
)
LANGUAGES = {'.py': 'python', '.sh': 'shell', '.yml': 'yaml'}
NO_SEARCH = '---\nsearch:\n  exclude: true\n---\n'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the front pages, and each file of the repository that is linked."""
    waiting = [*FRONT]
    waiting += [f'docs/{page.src_uri}' for page in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if not files.get_file_from_path(_uri(path)):
            page = File.generated(config, _uri(path), content=_content(path))
            files.append(page)
        if path.endswith('.md'):
            links = LINK.findall((ROOT / path).read_text(encoding='utf-8'))
            found = {_target(path, link) for link in links} - {None, *seen}
            waiting += sorted(found)
            seen |= found
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let a link to a file of the repository lead to its page."""
    uri = page.file.src_uri
    path = next((key for key in FRONT if FRONT[key] == uri), f'docs/{uri}')
    path = path.removeprefix('docs/source/')

    def moved(link: re.Match[str]) -> str:
        target = _target(path, link[0])
        return posixpath.relpath(_uri(target), posixpath.dirname(uri) or '.')

    return LINK.sub(
        lambda link: moved(link) if _target(path, link[0]) else link[0],
        markdown,
    )


def on_page_content(html: str, **_: object) -> str:
    """Turn equations into MathML; one that can't be read is an error."""
    convert = LatexToMathML().convert_with_local_state
    return MATH.sub(
        lambda it: convert(unescape(it[2]), displaystyle=it[1] == 'div'), html
    )


def _target(page: str, link: str) -> str | None:
    """Return the path in the repository that a link of a page leads to."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if path.startswith('..') or not (ROOT / path).exists():
        return None
    readme = f'{path}/README.md'
    return readme if (ROOT / readme).exists() else path


def _uri(path: str) -> str:
    """Return where the site has a file of the repository."""
    if path in FRONT:
        return FRONT[path]
    if path.startswith('docs/'):
        return path.removeprefix('docs/')
    return f'source/{path}' + ('' if path.endswith('.md') else '.md')


def _content(path: str) -> str:
    """Return a file of the repository, or the list of a folder, as a page."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(part.name for part in file.iterdir())
        lines = [f'- `{name}`' for name in names if name[0] not in '._']
        return '\n'.join([NO_SEARCH, f'# {path}', '', *lines])
    text = file.read_text(encoding='utf-8')
    if path in FRONT:
        return text
    if path.endswith('.md'):
        return NO_SEARCH + text
    language = LANGUAGES.get(file.suffix, 'text')
    return NO_SEARCH + f'# {path}\n\n````{language}\n{text}````\n'
